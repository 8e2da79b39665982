"""Hashes of blocks of rows, which verify large data sets wherever and however much of them is read."""

from typing import Any

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

ROWS = 128
"""Rows (frames) of a block: a clip or two."""

_SUFFIX = "_hashes"

Hashes = NDArray[np.uint64] | None
"""The XXH3 of each block of rows; None in files of earlier versions."""


def write_rows(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    """Write an array ``(N, ...)`` and, as ``name_hashes``, the hash of each block of its rows."""
    group[name] = values
    group[name + _SUFFIX] = _hash(np.ascontiguousarray(values))


def hashes_of(dataset: h5py.Dataset) -> Hashes:
    """The hashes of a data set's blocks, if any.

    Raises:
        ValueError: they do not fit the data set.
    """
    found = dataset.parent.get(dataset.name + _SUFFIX)
    if not isinstance(found, h5py.Dataset):
        return None
    if found.dtype != np.uint64 or not dataset.shape or found.shape != (-(-len(dataset) // ROWS),):
        raise ValueError(f"{found.name} does not fit {dataset.name}")
    return found[()]


def are_intact(values: NDArray[Any], hashes: Hashes, first: int = 0) -> bool:
    """Whether rows match their hashes, if there are any.

    Args:
        values: whole blocks of rows.
        hashes: of all blocks.
        first: the number of the first block in ``values``.
    """
    if hashes is None:
        return True
    found = _hash(values)
    return np.array_equal(found, hashes[first : first + len(found)])


def read_rows(dataset: h5py.Dataset, hashes: Hashes, start: int, stop: int) -> NDArray[Any]:
    """Rows ``start`` to ``stop``, verified.

    Raises:
        OSError: they differ from their hashes, or from HDF5's own checksums.
    """
    first = start // ROWS
    values = dataset[first * ROWS : -(-stop // ROWS) * ROWS]
    if not are_intact(values, hashes, first):
        raise OSError(f"{dataset.name} is damaged")
    return values[start - first * ROWS : stop - first * ROWS]


def _hash(values: NDArray[Any]) -> NDArray[np.uint64]:
    blocks = (values[start : start + ROWS] for start in range(0, len(values), ROWS))
    return np.fromiter((xxhash.xxh3_64_intdigest(block.data) for block in blocks), np.uint64)
