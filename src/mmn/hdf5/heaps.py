"""Checks of HDF5's global heaps, which hold variable-length text; the library never returns on some damaged ones."""

import mmap
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

_START = b"GCOL\x01\0\0\0"  # a global heap: signature, version, reserved; its size follows
_SIZE = struct.Struct("<Q")
_OBJECT = struct.Struct("<HHIQ")  # index (0: free space), references, reserved, bytes of content

Region = tuple[int, int]
"""First byte and one past the last."""


def check_heaps(path: Path, numbers: Iterable[Region]) -> None:
    """Refuse heaps whose objects are not contiguous.

    Args:
        path: the file.
        numbers: regions that hold only numbers and need not be searched.

    Raises:
        ValueError: a heap is damaged.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for first, last in _between(numbers, len(content)):
            place = content.find(_START, first, last)
            while place >= 0:
                _check(content, place)
                place = content.find(_START, place + 8, last)


def _between(regions: Iterable[Region], size: int) -> Iterator[Region]:
    start = 0
    for first, last in sorted(regions):
        yield start, min(first + 8, size)  # also finds a signature across the boundary
        start = max(start, last)
    yield start, size


def _check(content: mmap.mmap, place: int) -> None:
    if place + 16 > len(content):
        raise ValueError("a list of names is cut off")
    end = place + _SIZE.unpack_from(content, place + 8)[0]
    place += 16
    while place + _OBJECT.size <= min(end, len(content)):
        index, _, _, size = _OBJECT.unpack_from(content, place)
        place += _OBJECT.size + -(-size // 8) * 8 if index else size
        if place > end or (not index and size < _OBJECT.size):
            raise ValueError("a list of names is damaged")
    if end > len(content):
        raise ValueError("a list of names is cut off")
