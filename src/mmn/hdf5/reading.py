"""Safe opening of untrusted HDF5 files: structure is checked before any content is read."""

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mmn.errors import UserError
from mmn.hdf5.heaps import Region, check_heaps
from mmn.outside import from_outside, memory_for

_SHUFFLE, _DEFLATE, _CHECKSUM = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32
_FILTERS: tuple[list[int], ...] = ([], [_SHUFFLE], [_DEFLATE], [_SHUFFLE, _DEFLATE])  # besides checksums
_MOST_OBJECTS = 1_000
_LARGEST_ATTRIBUTE = 1 << 24
_LARGEST_CHUNK = 1 << 26  # of compressed data
_TEXT, _NUMBER = 100, 8  # bytes of memory that a text and an integer take at least


@contextmanager
def open_hdf5(path: Path, advice: str, foreign: bool = False) -> Iterator[h5py.File]:
    """Open a file for reading; any failure inside the ``with`` block is reported as damage to the file.

    Only numbers and text stored in this file are accepted: no links, no external storage, no virtual data sets, no
    filters that need plugins, and no sizes that the file cannot hold.

    Args:
        path: the file.
        advice: what the error message suggests.
        foreign: accept what only other programs write: tables, and data that compression makes larger than the file.

    Raises:
        UserError: the file is damaged, refused, or changed while it is read.
    """
    with from_outside(path, "HDF5 file", advice):
        with h5py.File(path, "r") as file:
            before = state(file)
            check = _Check(path, advice, foreign)
            check.file(file)
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

    def __init__(self, path: Path, advice: str, foreign: bool) -> None:
        self.path, self.advice, self.foreign = path, advice, foreign
        self.size = path.stat().st_size
        self.room, self.objects = memory_for(self.size), _MOST_OBJECTS
        self.numbers: list[Region] = []  # contiguous regions of data sets
        self.texts: list[Region] = []  # those of references to text

    def file(self, file: h5py.File) -> None:
        """Refuse unexpected content of a file.

        Raises:
            UserError: naming the item.
        """
        if file.userblock_size or file.id.get_create_plist().get_sizes() != (8, 8):
            self.refuse("/", "has unusual addresses")
        self.attributes(file, "/")
        self.group(file)
        checksums = file.id.get_create_plist().get_version()[0] >= 2
        lengths = check_heaps(self.path, self.numbers, self.texts, checksums)
        if lengths.max(initial=0) > self.size or lengths.sum() > self.room:
            self.refuse("/", "has texts that are longer than the file")

    def group(self, group: h5py.Group) -> None:
        """Refuse unexpected content of a group."""
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            self.objects -= 1
            if self.objects < 0:
                self.refuse(place, f"is one of more than {_MOST_OBJECTS} objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                self.refuse(place, "is a link and not data of this file")
            if self.foreign and group.name != "/" and name.startswith("_i_"):  # an index of PyTables, never read
                continue
            item = group[name]
            self.attributes(item, place)
            if isinstance(item, h5py.Group):
                self.group(item)
            elif isinstance(item, h5py.Dataset):
                self.dataset(item, place)

    def attributes(self, item: h5py.HLObject, place: str) -> None:
        """Refuse large attributes, and those that are neither numbers nor text."""
        for name in item.attrs:
            attribute = h5py.h5a.open(item.id, name.encode())
            if math.prod(attribute.shape or ()) * attribute.dtype.itemsize > min(self.size, _LARGEST_ATTRIBUTE):
                self.refuse(f"{place}, attribute {name}", "is larger than any expected there")
            if attribute.dtype.kind == "O" and h5py.check_string_dtype(attribute.dtype) is None:
                self.refuse(f"{place}, attribute {name}", "is neither numbers nor text")

    def dataset(self, dataset: h5py.Dataset, place: str) -> None:
        """Refuse data that is external, needs a filter plugin, or is larger than the file can hold."""
        plan, chunk, dtype = dataset.id.get_create_plist(), dataset.chunks, dataset.dtype
        if dataset.is_virtual or plan.get_external_count():
            self.refuse(place, "is stored in another file")
        is_text = h5py.check_string_dtype(dtype) is not None
        has_references = is_text and dtype.kind == "O"
        filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
        if [one for one in filters if one != _CHECKSUM] not in (_FILTERS[:1] if has_references else _FILTERS):
            self.refuse(place, f"uses filters {filters}, which are not supported")
        is_table = self.foreign and dtype.names is not None and all(leaf.kind in "iufbS" for leaf in _leaves(dtype))
        if dtype.kind not in "iufb" and not is_text and not is_table:
            self.refuse(place, f"is of type {dtype}, neither numbers nor text")
        if dataset.shape is None:
            self.refuse(place, "is empty")
        declared, stored = dataset.size * dtype.itemsize, dataset.id.get_storage_size()
        in_chunk = 0 if chunk is None else math.prod(chunk) * dtype.itemsize
        least = _TEXT if is_text else 2 * dtype.itemsize if is_table else 4 if dtype.kind == "f" else _NUMBER
        self.room -= max(declared, in_chunk, dataset.size * least)
        larger = declared > self.size and not (self.foreign or (_DEFLATE in filters and dtype.kind == "f"))
        if stored > self.size or self.room < 0 or larger:
            self.refuse(place, f"declares {declared:,} bytes, more than this file can hold")
        if _DEFLATE in filters:
            self.compressed(dataset, place, filters.index(_DEFLATE), in_chunk)
        if chunk is None:
            whole = declared == 0 or stored > 0
            offset = dataset.id.get_offset()
            places = [] if offset is None else [(offset, offset + stored)]
        else:
            parts = [-(-size // step) for size, step in zip(dataset.shape, chunk, strict=True)]
            whole = dataset.id.get_num_chunks() == math.prod(parts)
            places = [(one.byte_offset, one.byte_offset + one.size) for one in _chunks(dataset)]
        if has_references:
            self.texts += places
        elif not is_text:
            self.numbers += _together(places)
        if not whole:
            self.refuse(place, "is incomplete")

    def compressed(self, dataset: h5py.Dataset, place: str, number: int, size: int) -> None:
        """Refuse chunks that inflate to more than their ``size``, for which HDF5 would allocate memory.

        Args:
            dataset: the data set.
            place: its name.
            number: of the compressing filter in the data set's pipeline.
            size: bytes of a chunk.
        """
        if size > _LARGEST_CHUNK:
            self.refuse(place, f"is compressed in chunks of {size:,} bytes")
        for chunk in _chunks(dataset):
            if not chunk.filter_mask & 1 << number:  # as for chunks that cannot be compressed
                _, content = dataset.id.read_direct_chunk(chunk.chunk_offset)
                if len(zlib.decompressobj().decompress(content, size + 5)) > size + 4:  # with a checksum
                    self.refuse(place, "has chunks that unpack to more than their size")

    def refuse(self, place: str, what: str) -> None:
        raise UserError(f"{self.path}: {place} {what}; {self.advice}.")


def _leaves(dtype: np.dtype) -> Iterator[np.dtype]:
    """The types of the columns of a table."""
    if dtype.names is None:
        yield dtype.base
    else:
        for name in dtype.names:
            yield from _leaves(dtype[name])


def _chunks(dataset: h5py.Dataset) -> list[h5py.h5d.StoreInfo]:
    found: list[h5py.h5d.StoreInfo] = []
    dataset.id.chunk_iter(found.append)
    return found


def _together(regions: list[Region]) -> list[Region]:
    """Regions in order, adjacent ones joined."""
    if not regions:
        return []
    places = np.array(sorted(regions))
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
