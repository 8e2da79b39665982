"""Who is who: links the detections of one recording into people, in time linear in its frames."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.people.joining import join_pieces
from mmn.data.sources.people.seen import distances, paired_distances, sizes

FORGOTTEN_AFTER = 30
"""Frames after which a person who was not seen is no longer waited for."""
_REACH, _EXACT = 0.5, 0.001  # of a person's own size, from one frame to the next: the furthest, and no distance
_ENOUGH_POINTS = 30  # tell people apart
_PAIRS_AT_ONCE = 1 << 14


def who_is_who(
    frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_], numbers: NDArray[np.float64]
) -> NDArray[np.int64]:
    """A person's number for each detection ``(D,)``, counted from 0.

    The estimator's numbers tell people apart if they can be: none negative or missing, none twice in a frame. Else
    people are followed by where they are. Pieces of one person that do not overlap in time are then joined, since
    trackers lose people and pictures are re-framed.

    Args:
        frame: the frame of each detection ``(D,)``, rising.
        points: ``(D, P, C)``.
        seen: which points were found ``(D, P)``.
        numbers: the estimator's own ``(D,)``, NaN where there is none.
    """
    if len(frame) == len(np.unique(frame)):  # never two at a time: one person
        return np.zeros(len(frame), np.int64)
    few = slice(None, None, max(1, points.shape[1] // _ENOUGH_POINTS))
    points, seen = points[:, few], seen[:, few]
    if _can_be_trusted(frame, numbers):
        pieces = _without_swaps(frame, points, seen, np.unique(numbers, return_inverse=True)[1])
    else:
        pieces = _follow(frame, points, seen)
    return join_pieces(frame, points, seen, pieces)


def _can_be_trusted(frame: NDArray[np.int64], numbers: NDArray[np.float64]) -> bool:
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        return False
    return len(np.unique(np.stack([frame, numbers]), axis=1).T) == len(frame)


def _without_swaps(
    frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_], pieces: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pieces broken where a number leaps away while somebody else stands where it was: it has been given anew."""
    order = np.lexsort((frame, pieces))
    before, after = order[:-1], order[1:]
    before, after = (side[pieces[before] == pieces[after]] for side in (before, after))
    size = sizes(points, seen)
    apart = paired_distances(points[before], seen[before], points[after], seen[after]) / size[after]
    broken = np.zeros(len(frame), np.int64)
    for i, j in zip(before[apart > _REACH], after[apart > _REACH], strict=True):
        others = np.flatnonzero((frame == frame[j]) & (np.arange(len(frame)) != j))
        if len(others) and frame[j] - frame[i] <= FORGOTTEN_AFTER:
            stand_there = distances(points[i : i + 1], seen[i : i + 1], points[others], seen[others])[0] / size[others]
            broken[j] = stand_there.min() < _REACH
    parts = np.zeros(len(frame), np.int64)
    parts[order] = np.cumsum(broken[order])  # rises along each number's detections
    return np.unique(np.stack([pieces, parts]), axis=1, return_inverse=True)[1].reshape(-1)


def _follow(frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Frame by frame, each detection goes to the person last seen near it, by the assignment that is nearest in all."""
    from scipy.optimize import linear_sum_assignment  # takes a second, and most recordings have one person

    size = sizes(points, seen)
    bounds = [0, *(np.flatnonzero(np.diff(frame)) + 1).tolist(), len(frame)]
    nearby = _from_frame_to_frame(bounds, points, seen, size)
    pieces = np.empty(len(frame), np.int64)
    last: list[int] = []  # the latest detection of each person who is waited for, those of the frame before at the end
    count = 0
    for index, (start, stop) in enumerate(pairwise(bounds)):
        before = bounds[index - 1] if index else 0
        waiting = [d for d in last if d < before and frame[start] - frame[d] <= FORGOTTEN_AFTER]
        last = waiting + list(range(before, start))
        taken: dict[int, int] = {}
        if last:
            apart = nearby[index - 1]
            if waiting:
                far = distances(points[waiting], seen[waiting], points[start:stop], seen[start:stop])
                apart = np.concatenate([_closeness(far / size[start:stop]), apart])
            rows, columns = linear_sum_assignment(apart)
            taken = {int(c): int(r) for r, c in zip(rows, columns, strict=True) if apart[r, c] < 0}
        for place in range(stop - start):
            if place in taken:
                pieces[start + place] = pieces[last[taken[place]]]
            else:
                pieces[start + place], count = count, count + 1
        gone_on = set(taken.values())
        last = [d for row, d in enumerate(last) if row not in gone_on]
    return pieces


def _from_frame_to_frame(
    bounds: list[int], points: NDArray[np.float32], seen: NDArray[np.bool_], size: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """How close each detection is to each of the next frame with anybody, for all frames at once."""
    counts = np.diff(bounds)
    if len(counts) < 2:
        return []
    partners = np.repeat(counts[1:], counts[:-1])  # how many are in the next frame, for each detection
    first = np.repeat(bounds[1:-1], counts[:-1])  # and which of them is the first
    i = np.repeat(np.arange(len(partners)), partners)
    j = np.arange(len(i)) - np.repeat(np.cumsum(partners) - partners, partners) + np.repeat(first, partners)
    apart = np.empty(len(i))
    for start in range(0, len(i), _PAIRS_AT_ONCE):
        a, b = i[start : start + _PAIRS_AT_ONCE], j[start : start + _PAIRS_AT_ONCE]
        apart[start : start + len(a)] = paired_distances(points[a], seen[a], points[b], seen[b]) / size[b]
    ends = np.cumsum(counts[:-1] * counts[1:]).tolist()
    close, shapes = _closeness(apart), zip(counts[:-1].tolist(), counts[1:].tolist(), strict=True)
    return [close[end - a * b : end].reshape(a, b) for end, (a, b) in zip(ends, shapes, strict=True)]


def _closeness(apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cost of going on with a detection so far away; 0 where that is too far.

    Its logarithm, so that one that fits well counts for more than two that fit badly.
    """
    return np.log(np.clip(apart, _EXACT, _REACH) / _REACH)
