"""Tracking: links the detections of one recording into people, in time linear in the number of frames."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.people.joining import join_pieces
from mmn.data.sources.people.seen import distances, paired_distances, sizes

FORGOTTEN_AFTER = 30
"""Frames after which a lost person is given up."""
_REACH, _EXACT = 0.5, 0.001  # motion between frames in person sizes: the most allowed, and what counts as none
_ENOUGH_POINTS = 30  # to distinguish people
_PAIRS_AT_ONCE = 1 << 14


def track_people(
    frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_], numbers: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Number of the person ``(D,)`` for each detection, counted from 0.

    The estimator's track numbers are used if they are valid: none negative or missing, none twice in a frame.
    Otherwise people are tracked by position. Pieces of one person that do not overlap in time are then joined, since
    trackers lose people and pictures are re-framed.

    Args:
        frame: frame of each detection ``(D,)``, non-decreasing.
        points: ``(D, P, C)``.
        seen: mask of points that were found ``(D, P)``.
        numbers: the estimator's track numbers ``(D,)``, NaN where there is none.
    """
    if len(frame) == len(np.unique(frame)):  # never two at a time: one person
        return np.zeros(len(frame), np.int64)
    few = slice(None, None, max(1, points.shape[1] // _ENOUGH_POINTS))
    points, seen = points[:, few], seen[:, few]
    if _can_be_trusted(frame, numbers):
        pieces = _split_reassigned(frame, points, seen, np.unique(numbers, return_inverse=True)[1])
    else:
        pieces = _track_by_position(frame, points, seen)
    return join_pieces(frame, points, seen, pieces)


def _can_be_trusted(frame: NDArray[np.int64], numbers: NDArray[np.float64]) -> bool:
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        return False
    return len(np.unique(np.stack([frame, numbers]), axis=1).T) == len(frame)


def _split_reassigned(
    frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_], pieces: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Split tracks whose number jumps away while someone else takes its position: the number was reassigned."""
    order = np.lexsort((frame, pieces))
    before, after = order[:-1], order[1:]
    before, after = (side[pieces[before] == pieces[after]] for side in (before, after))
    size = sizes(points, seen)
    apart = paired_distances(points[before], seen[before], points[after], seen[after]) / size[after]
    broken = np.zeros(len(frame), np.int64)
    for i, j in zip(before[apart > _REACH], after[apart > _REACH], strict=True):
        others = np.flatnonzero((frame == frame[j]) & (np.arange(len(frame)) != j))
        if len(others) and frame[j] - frame[i] <= FORGOTTEN_AFTER:
            nearby = distances(points[i : i + 1], seen[i : i + 1], points[others], seen[others])[0] / size[others]
            broken[j] = nearby.min() < _REACH
    parts = np.zeros(len(frame), np.int64)
    parts[order] = np.cumsum(broken[order])  # increases along each number's detections
    return np.unique(np.stack([pieces, parts]), axis=1, return_inverse=True)[1].reshape(-1)


def _track_by_position(
    frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Assign detections frame by frame to the people last seen near them, by optimal matching."""
    from scipy.optimize import linear_sum_assignment  # takes a second, and most recordings have one person

    size = sizes(points, seen)
    bounds = [0, *(np.flatnonzero(np.diff(frame)) + 1).tolist(), len(frame)]
    nearby = _from_frame_to_frame(bounds, points, seen, size)
    pieces = np.empty(len(frame), np.int64)
    last: list[int] = []  # latest detection of each person still tracked; those in the previous frame come last
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
    """Closeness of each detection to each in the next non-empty frame, computed for all frames at once."""
    counts = np.diff(bounds)
    if len(counts) < 2:
        return []
    partners = np.repeat(counts[1:], counts[:-1])  # per detection: number of detections in the next frame
    first = np.repeat(bounds[1:-1], counts[:-1])  # and the first of them
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
    """The cost of continuing a track over a distance; 0 beyond reach.

    It is logarithmic, so that one close match outweighs two poor ones.
    """
    return np.log(np.clip(apart, _EXACT, _REACH) / _REACH)
