"""Who is the person: detections followed from frame to frame, and the best one kept."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Person(NamedTuple):
    """One detection in one frame.

    Attributes:
        points: ``(P, 3)`` x, y and score.
        track: the estimator's own number of the person; None where it does not follow people.
    """

    points: NDArray[np.float32]
    track: int | None = None


def best_person(frames: Sequence[Sequence[Person]], min_score: float) -> tuple[NDArray[np.float32], int]:
    """The person with the best mean score over the clip; frames without them count as 0.

    People are told apart by the estimator's numbers, where every detection has one, and else by where they are.

    Args:
        frames: the people of each frame.
        min_score: points with a score up to it are missing.

    Returns:
        Points ``(T, P, 2)``, missing ones NaN, and how many other people there are. ``(T, 0, 2)`` where nobody is.
    """
    tracks = _by_number(frames) if all(p.track is not None for f in frames for p in f) else _by_place(frames)
    if not tracks:
        return np.zeros((len(frames), 0, 2), np.float32), 0
    best = max(tracks, key=lambda track: sum(float(points[:, 2].mean()) for points in track.values()))
    clip = np.full((len(frames), len(next(iter(best.values()))), 2), np.nan, np.float32)
    for frame, points in best.items():
        clip[frame] = np.where(points[:, 2:] > min_score, points[:, :2], np.nan)
    return clip, len(tracks) - 1


def left_out(others: int) -> list[str]:
    """What to say of people who are not the best one: a note, or none."""
    note = f"{others} other people were left out, each clip keeping the one with the best mean score"
    return [note] if others else []


Track = dict[int, NDArray[np.float32]]
"""Frame → points of one person."""


def _by_number(frames: Sequence[Sequence[Person]]) -> list[Track]:
    tracks: dict[int, Track] = {}
    for frame, people in enumerate(frames):
        for person in people:
            tracks.setdefault(person.track or 0, {})[frame] = person.points
    return list(tracks.values())


def _by_place(frames: Sequence[Sequence[Person]]) -> list[Track]:
    """Nearest first: a detection goes on with the person last seen nearest, if within half its own size."""
    tracks: list[Track] = []
    for frame, people in enumerate(frames):
        near = [
            (_distance(points := person.points, list(track.values())[-1]) / _size(points), t, p)
            for p, person in enumerate(people)
            for t, track in enumerate(tracks)
        ]
        free_tracks, free_people = set(range(len(tracks))), set(range(len(people)))
        for ratio, t, p in sorted(near):
            if ratio < 0.5 and t in free_tracks and p in free_people:
                tracks[t][frame] = people[p].points
                free_tracks.remove(t)
                free_people.remove(p)
        tracks += [{frame: people[p].points} for p in sorted(free_people)]
    return tracks


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    both = (a[:, 2] > 0) & (b[:, 2] > 0)
    return float(np.linalg.norm(a[both, :2] - b[both, :2], axis=1).mean()) if both.any() else float("inf")


def _size(points: NDArray[np.float32]) -> float:
    seen = points[points[:, 2] > 0, :2]
    return max(float(np.linalg.norm(np.ptp(seen, axis=0))), 1e-6) if len(seen) else 1e-6
