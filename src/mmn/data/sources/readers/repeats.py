"""The memory that the content of a pickle takes; the same value may be referred to many times."""

import pickle
from typing import Any

import numpy as np

_REFERENCE, _CONTAINER = 16, 100  # bytes
_SHORT = {float, bool, type(None)}


def weigh(value: Any, room: int) -> int:
    """Bytes that a value takes if everything it refers to is copied each time.

    Raises:
        pickle.UnpicklingError: more than ``room``, or it contains numbers that arrays do not have.
    """
    return _weigh(value, room, {})


def _weigh(value: Any, room: int, known: dict[int, int]) -> int:
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, str | bytes | bytearray):
        return _REFERENCE + len(value)
    if isinstance(value, int):
        if value.bit_length() > 64:
            raise pickle.UnpicklingError(f"it has a number of {value.bit_length()} bits")
        return _REFERENCE
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind == "V":
            raise pickle.UnpicklingError(f"it has values of type {value.dtype}")
        if not value.dtype.hasobject:
            return max(value.nbytes, 4 * value.size)  # as float32
    parts = _parts(value)
    if parts is None:
        return int(getattr(value, "nbytes", _REFERENCE))
    known[id(value)] = room  # in case it contains itself
    short = set(map(type, parts)) <= _SHORT
    total = _CONTAINER + _REFERENCE * len(parts) + (0 if short else sum(_weigh(part, room, known) for part in parts))
    if total > room:
        raise pickle.UnpicklingError("it repeats its content to an excessive size")
    known[id(value)] = total
    return total


def _parts(value: Any) -> list[Any] | tuple[Any, ...] | None:
    """What a container contains; None for anything else."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, np.ndarray):
        return value.ravel().tolist()
    return None
