"""Safe opening of untrusted HDF5 files: structure is checked before any content is read."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mmn.errors import UserError
from mmn.hdf5.heaps import Region, check_heaps
from mmn.outside import from_outside, memory_for

_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
_MOST_OBJECTS = 1_000
_LARGE = 1 << 20
_LARGEST_ATTRIBUTE = 1 << 24


@contextmanager
def open_hdf5(path: Path, advice: str) -> Iterator[h5py.File]:
    """Open a file for reading; any failure inside the ``with`` block is reported as damage to the file.

    Only numbers and text stored in this file are accepted: no links, no external storage, no virtual data sets, no
    filters that need plugins, and no sizes that the file cannot hold.

    Args:
        path: the file.
        advice: what the error message suggests.

    Raises:
        UserError: the file is damaged, refused, or changed while it is read.
    """
    with from_outside(path, "HDF5 file", advice):
        with h5py.File(path, "r") as file:
            before = state(file)
            check = _Check(path, advice)
            check.group(file)
            check_heaps(path, check.numbers)
            yield file
            after = state(file)
        if after != before:
            raise UserError(f"{path} was changed while it was read; try again once it is complete.")


def state(file: h5py.File) -> tuple[int, int]:
    """Size and modification time of an open file."""
    found = os.fstat(file.id.get_vfd_handle())
    return found.st_size, found.st_mtime_ns


class _Check:
    """Walks through a file's groups."""

    def __init__(self, path: Path, advice: str) -> None:
        self.path, self.advice = path, advice
        self.size = path.stat().st_size
        self.room, self.objects = memory_for(self.size), _MOST_OBJECTS
        self.numbers: list[Region] = []  # contiguous regions of large data sets

    def group(self, group: h5py.Group) -> None:
        """Refuse unexpected content of a group.

        Raises:
            UserError: naming the item.
        """
        for name in group.attrs:
            attribute = h5py.h5a.open(group.id, name.encode())
            if math.prod(attribute.shape or ()) * attribute.dtype.itemsize > min(self.size, _LARGEST_ATTRIBUTE):
                self.refuse(f"{group.name}, attribute {name}", "is larger than any expected there")
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            self.objects -= 1
            if self.objects < 0:
                self.refuse(place, f"is one of more than {_MOST_OBJECTS} objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                self.refuse(place, "is a link and not data of this file")
            item = group[name]
            if isinstance(item, h5py.Group):
                self.group(item)
            elif isinstance(item, h5py.Dataset):
                self.dataset(item, place)

    def dataset(self, dataset: h5py.Dataset, place: str) -> None:
        """Refuse data that is external, needs a filter plugin, or is larger than the file can hold."""
        plan, chunk = dataset.id.get_create_plist(), dataset.chunks
        if dataset.is_virtual or plan.get_external_count():
            self.refuse(place, "is stored in another file")
        filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
        if not filters <= _FILTERS:
            self.refuse(place, f"uses filters {sorted(filters - _FILTERS)}, which are not supported")
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        if dataset.dtype.kind not in "iufb" and not is_text:
            self.refuse(place, f"is of type {dataset.dtype}, neither numbers nor text")
        if dataset.shape is None:
            self.refuse(place, "is empty")
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        self.room -= max(declared, 0 if chunk is None else math.prod(chunk) * dataset.dtype.itemsize)
        if stored > self.size or self.room < 0:
            self.refuse(place, f"declares {declared:,} bytes, more than this file can hold")
        if chunk is None:
            whole = declared == 0 or stored > 0
            if is_text and dataset.dtype.kind == "O" and stored:
                self.lengths(dataset, place)
            if stored > _LARGE and not is_text:
                self.numbers.append((dataset.id.get_offset(), dataset.id.get_offset() + stored))
        else:
            parts = [-(-size // step) for size, step in zip(dataset.shape, chunk, strict=True)]
            whole = dataset.id.get_num_chunks() == math.prod(parts)
            if whole and stored > _LARGE and not is_text:
                self.numbers += _together(dataset)
        if not whole:
            self.refuse(place, "is incomplete")

    def lengths(self, dataset: h5py.Dataset, place: str) -> None:
        """Refuse texts longer than the file, for which HDF5 would allocate memory before it looks for them."""
        reference = np.dtype([("length", "<u4"), ("heap", "<u8"), ("object", "<u4")])
        offset = dataset.id.get_offset()
        if dataset.dtype.itemsize and offset is not None and dataset.id.get_storage_size() == 16 * dataset.size:
            found = np.fromfile(self.path, reference, dataset.size, offset=offset)["length"].astype(np.int64)
            self.room -= int(found.sum())
            if self.room < 0 or found.max(initial=0) > self.size:
                self.refuse(place, "has texts that are longer than the file")

    def refuse(self, place: str, what: str) -> None:
        raise UserError(f"{self.path}: {place} {what}; {self.advice}.")


def _together(dataset: h5py.Dataset) -> list[Region]:
    """Regions of a data set's chunks, adjacent ones joined."""
    found: list[Region] = []
    dataset.id.chunk_iter(lambda chunk: found.append((chunk.byte_offset, chunk.byte_offset + chunk.size)))
    places = np.array(sorted(found))
    breaks = np.flatnonzero(places[1:, 0] != places[:-1, 1]) + 1
    starts, ends = np.r_[0, breaks], np.r_[breaks, len(places)] - 1
    return [(int(places[i, 0]), int(places[j, 1])) for i, j in zip(starts, ends, strict=True)]


def content(dataset: h5py.Dataset, dtype: type) -> np.ndarray:
    """The content of a data set, verified by its checksums.

    Raises:
        UserError: a checksum is wrong.
    """
    try:
        return np.asarray(dataset.astype(dtype)[()], order="C")
    except OSError:
        raise UserError(
            f"{dataset.file.filename}: {dataset.name.strip('/')} is damaged, its checksum is wrong; get the file again."
        ) from None
