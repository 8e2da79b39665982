"""Who is who: the detections of one recording told apart as people, in time linear in its frames."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmn.data.sources.people.joining import join_pieces
from mmn.data.sources.people.seen import distances, sizes

FORGOTTEN_AFTER = 30
"""Frames after which a person who was not seen is no longer waited for."""
_REACH = 0.5  # of a person's own size, from one frame to the next


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
    if _can_be_trusted(frame, numbers):
        pieces = np.unique(numbers, return_inverse=True)[1]
    else:
        pieces = _follow(frame, points, seen)
    return join_pieces(frame, points, seen, pieces)


def _can_be_trusted(frame: NDArray[np.int64], numbers: NDArray[np.float64]) -> bool:
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        return False
    return len(np.unique(np.stack([frame, numbers]), axis=1).T) == len(frame)


def _follow(frame: NDArray[np.int64], points: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Frame by frame, each detection goes to the person last seen near it, by the assignment that is nearest in all."""
    size = sizes(points, seen)
    pieces = np.empty(len(frame), np.int64)
    last: list[int] = []  # the latest detection of each person who is waited for
    count = 0
    for here in np.split(np.arange(len(frame)), np.flatnonzero(np.diff(frame)) + 1):
        last = [d for d in last if frame[here[0]] - frame[d] <= FORGOTTEN_AFTER]
        taken = np.full(len(here), -1)
        if last:
            apart = distances(points[last], seen[last], points[here], seen[here]) / size[here]
            near = apart < _REACH
            for person, other in zip(*linear_sum_assignment(np.where(near, apart, 1e6)), strict=True):
                if near[person, other]:
                    taken[other] = person
        for detection, person in zip(here, taken, strict=True):
            if person < 0:
                pieces[detection], count = count, count + 1
            else:
                pieces[detection] = pieces[last[person]]
        matched = set(taken.tolist())
        last = [d for person, d in enumerate(last) if person not in matched] + here.tolist()
    return pieces
