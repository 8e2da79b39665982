"""Frame numbers, parsed from frame names, and the step between frames throughout a source."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.recording import FrameKey
from mmn.errors import UserError

_LAST = 1 << 53  # beyond it, distances between frames are inexact or overflow
_DIGITS = re.compile(r"\d+")


def frame_numbers(keys: Sequence[FrameKey], name: str) -> NDArray[np.int64]:
    """The number of each frame ``(F,)``.

    Numeric keys are used as they are. In names such as ``cam2_000011_1080p.png`` it is the number that varies; if
    several do, the one with the most distinct values and, among those, the smallest range. Frames without any number,
    or all with the same one, are counted in order.

    Args:
        keys: the source's identifiers of its frames.
        name: name of the recording, for error messages.

    Raises:
        UserError: a frame has no number or an impossible one, or two frames have the same one.
    """
    if isinstance(keys, range):
        return np.arange(len(keys))
    if not keys or all(_is_nothing(key) for key in keys):
        return np.arange(len(keys))
    found = list(map(int, keys)) if all(_is_number(key) for key in keys) else _from_names(keys, name)  # type: ignore[arg-type]
    if max(map(abs, found)) > _LAST:
        raise UserError(f"clip {name} has a frame numbered {max(found, key=abs)}; number its frames from 0 or 1.")
    numbers = np.array(found, np.int64)
    counts = Counter(numbers.tolist())
    if len(counts) == 1:
        return np.arange(len(keys))
    number, times = counts.most_common(1)[0]
    if times > 1:
        raise UserError(
            f"clip {name} has {times} frames with the number {number} ({_first(keys, numbers, number)}); give each "
            "frame its own number, or each clip its own folder or file."
        )
    return numbers


def all_alike(keys: Sequence[FrameKey]) -> bool:
    """Whether several frames all have the same name; they are then counted in order."""
    return (
        not isinstance(keys, range)
        and len(keys) > 1
        and len({str(key) for key in keys}) == 1
        and not _is_nothing(keys[0])
    )


def common_step(recordings: Iterable[NDArray[np.int64]]) -> int:
    """The step between frames: the greatest common divisor of all distances in a source, 5 for every fifth frame."""
    steps = [int(np.gcd.reduce(np.diff(np.sort(numbers)))) for numbers in recordings if len(numbers) > 1]
    return int(np.gcd.reduce(steps)) if steps else 1


def digit_runs(name: str) -> tuple[str, tuple[int, ...]]:
    """A name with its numbers replaced, and those numbers: ``cam2_0011`` → ``("cam#_#", (2, 11))``."""
    return _DIGITS.sub("#", name), tuple(int(run) for run in _DIGITS.findall(name))


def _from_names(keys: Sequence[FrameKey], name: str) -> list[int]:
    runs = [digit_runs(str(key))[1] for key in keys]
    if not all(runs):
        key = next(key for key, found in zip(keys, runs, strict=True) if not found)
        raise UserError(f"clip {name} has a frame {key!r}, which contains no frame number; number its frames.")
    if len({len(found) for found in runs}) > 1:  # names of several forms: the last number, as estimators write it
        return [found[-1] for found in runs]
    columns = list(zip(*runs, strict=True))  # numbers per name × F
    distinct = [len(set(column)) for column in columns]
    best = max(range(len(columns)), key=lambda c: (distinct[c], min(columns[c]) - max(columns[c]), c))
    return list(columns[best])


def _is_number(key: FrameKey) -> bool:
    return isinstance(key, int | float) and not isinstance(key, bool) and np.isfinite(key) and key == int(key)


def _is_nothing(key: FrameKey) -> bool:
    return key is None or key == "" or (isinstance(key, float) and np.isnan(key))


def _first(keys: Sequence[FrameKey], numbers: NDArray[np.int64], number: int) -> str:
    return " and ".join(str(keys[int(i)]) for i in np.flatnonzero(numbers == number)[:2])
