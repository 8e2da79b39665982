"""Checks of HDF5's global heaps, which hold variable-length text; the library never returns on some damaged ones."""

import mmap
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAME = b"GCOL"
_START = _NAME + b"\x01\0\0\0"  # a global heap: signature, version, reserved; its size follows
_SIZE = struct.Struct("<Q")
_OBJECT = struct.Struct("<HHIQ")  # index (0: free space), references, reserved, bytes of content

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("object", "<u4")])

_LARGE = 1 << 20
_AT_ONCE = 1 << 24

Region = tuple[int, int]
"""First byte and one past the last."""


def check_heaps(path: Path, numbers: Iterable[Region], texts: Iterable[Region], checksums: bool) -> NDArray[np.int64]:
    """Refuse heaps whose objects are not contiguous, and return the lengths of all texts that refer to a heap.

    HDF5 allocates memory of these lengths before it looks for the texts, and several may refer to the same bytes.

    Args:
        path: the file.
        numbers: regions that hold only numbers; no references are searched there and, in large ones, no heaps.
        texts: regions that hold only references.
        checksums: whether the file's own structures have checksums, so that the lengths in them are true.

    Raises:
        ValueError: a heap is damaged.
    """
    numbers, texts, heaps = sorted(numbers), list(texts), list[Region]()
    objects = [np.zeros((0, 2), np.uint64)]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        large = [(first, last) for first, last in numbers if last - first > _LARGE]
        for first, last in _between(large, len(content)):
            place = content.find(_START, first, last)
            while place >= 0:
                objects.append(_objects(content, place))
                heaps.append((place, place + _SIZE.unpack_from(content, place + 8)[0]))
                place = content.find(_START, place + 8, last)
    whole, known = np.memmap(path, np.uint8, "r"), np.concatenate(objects)
    known = known[np.argsort(known[:, 0])]
    found = [whole[first : first + (last - first) // 16 * 16].view(_REFERENCE)["length"] for first, last in texts]
    if len(known):
        others = _between([*numbers, *texts, *heaps], len(whole))
        found += [_references(whole, known, checksums, *region) for region in others]
    return np.concatenate([np.zeros(0, np.int64), *(lengths.astype(np.int64) for lengths in found)])


def _references(
    whole: NDArray[np.uint8], known: NDArray[np.uint64], checksums: bool, first: int, last: int
) -> NDArray[np.uint32]:
    """The lengths in all references in a region, such as those of attributes, to ``known`` objects.

    Other bytes may look like a reference by chance. With ``checksums``, a reference has the length of its object, so
    that only these are counted.
    """
    found = [np.zeros(0, np.uint32)]
    for start in range(first, last, _AT_ONCE):
        block = np.array(whole[start : min(start + _AT_ONCE + 16, last)])
        for shift in range(4, min(12, len(block) - 7)):
            addresses = block[shift : shift + (len(block) - shift) // 8 * 8].view("<u8")
            at = np.flatnonzero((addresses > 0) & (addresses < len(whole) - 16))
            at = at[shift + 8 * at + 12 <= len(block)]
            for offset, letter in enumerate(_NAME):
                at = at[whole[addresses[at] + np.uint64(offset)] == letter]
            length, index = (block[shift + 8 * at[:, None] + np.arange(o, o + 4)].view("<u4")[:, 0] for o in (-4, 8))
            key = _key(addresses[at], index)
            place = np.searchsorted(known[:, 0], key).clip(max=len(known) - 1)
            real = known[place, 0] == key
            found.append(length[real & (known[place, 1] == length)] if checksums else length[real])
    return np.concatenate(found)


def _between(regions: Iterable[Region], size: int) -> Iterator[Region]:
    start = 0
    for first, last in sorted(regions):
        yield start, min(first + 8, size)  # also finds a signature across the boundary
        start = max(start, last)
    yield start, size


def _key(heap: Any, index: Any) -> Any:
    """One number for an object of a heap, of which a heap has at most 65,535."""
    return heap * (1 << 16) + index


def _objects(content: mmap.mmap, place: int) -> NDArray[np.uint64]:
    """The keys and lengths ``(N, 2)`` of the objects in a heap, which must be contiguous."""
    heap, found = place, []
    if place + 16 > len(content):
        raise ValueError("a list of names is cut off")
    end = place + _SIZE.unpack_from(content, place + 8)[0]
    place += 16
    while place + _OBJECT.size <= min(end, len(content)):
        index, _, _, size = _OBJECT.unpack_from(content, place)
        found.append((_key(heap, index), size))
        place += _OBJECT.size + -(-size // 8) * 8 if index else size
        if place > end or (not index and size < _OBJECT.size):
            raise ValueError("a list of names is damaged")
    if end > len(content):
        raise ValueError("a list of names is cut off")
    return np.array(found, np.uint64).reshape(-1, 2)
