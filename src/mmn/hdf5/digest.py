"""Digests that verify the content of HDF5 groups."""

import hashlib
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmn.hdf5.hashes import hashes_of

DIGEST = "digest"
"""The attribute that holds a group's digest."""

_AT_ONCE = 1 << 27
"""Bytes of text that may be read at once."""


def digest(group: h5py.Group) -> str:
    """SHA-256 over the attributes of a group and its data sets, except those that are verified when read."""
    total = hashlib.sha256()
    for name in sorted(group.attrs):
        if name != DIGEST:
            _add(total, name, np.asarray(group.attrs[name]))
    for name in sorted(group):
        dataset = group[name]
        if isinstance(dataset, h5py.Dataset) and not is_verified(dataset):
            is_text = dataset.dtype.kind == "O" and dataset.ndim == 1
            _add(total, name, np.array(texts(dataset), object) if is_text else np.asarray(dataset[()]))
    return total.hexdigest()


def is_verified(dataset: h5py.Dataset) -> bool:
    """Whether reading a data set verifies it, by hashes of its rows or by HDF5's checksums of its chunks."""
    return bool(dataset.fletcher32) or hashes_of(dataset) is not None


def is_intact(group: h5py.Group) -> bool | None:
    """Whether a group's content matches its digest; None without one, as in files of earlier versions."""
    found = group.attrs.get(DIGEST)
    return None if found is None else isinstance(found, str) and found == digest(group)


def texts(dataset: h5py.Dataset) -> list[bytes]:
    """The values of a list of names, read in blocks so that names sharing the same bytes cannot exhaust memory.

    Raises:
        ValueError: the names are longer than the file.
    """
    longest = max(1, dataset.file.id.get_filesize() - _stored(dataset.file))  # what is left for text
    at_once = max(1, _AT_ONCE // longest)
    found: list[bytes] = []
    length = 0
    for start in range(0, len(dataset), at_once):
        found += dataset[start : start + at_once].tolist()
        length += sum(map(len, found[start:]))
        if length > _AT_ONCE + 2 * longest:
            raise ValueError(f"{dataset.name} holds more text than the file does")
    return found


def _stored(group: h5py.Group) -> int:
    """Bytes stored in the file for the data sets of a group and its subgroups."""
    items = [group[name] for name in group]
    return sum(item.id.get_storage_size() if isinstance(item, h5py.Dataset) else _stored(item) for item in items)


def _add(total: Any, name: str, values: NDArray[Any]) -> None:
    is_text = values.dtype.kind in "OSU"
    head = (name, "text" if is_text else values.dtype.str, list(values.shape))
    total.update(repr(head).encode())
    if is_text:
        for value in values.ravel().tolist():
            content = value if isinstance(value, bytes) else str(value).encode()
            total.update(len(content).to_bytes(8, "little") + content)
    else:
        total.update(np.ascontiguousarray(values).tobytes())
