"""Recordings, the common output of all readers: frames and the people detected in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.points import Estimator
from mmn.errors import UserError

FrameKey = str | int | float | None
"""A source's identifier of a frame: a file name, a number, or None."""

FASTEST = 10_000.0
"""No recording has as many frames per second."""


def frame_rate(stated: Any) -> float | None:
    """The frames per second that a source states; None if it is not a plausible number."""
    return float(stated) if isinstance(stated, int | float) and 0 < stated < FASTEST else None


class Person(NamedTuple):
    """One detection in one frame.

    Attributes:
        points: ``(P, C)``.
        scores: ``(P,)``; None if the estimator gives none.
        number: the estimator's track number of the person; NaN if it does not track people.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32] | None = None
    number: float = np.nan


@dataclass(frozen=True)
class Recording:
    """One recording as read from its source, with all people and frames.

    Attributes:
        name: the name that labels refer to.
        frames: F identifiers of the frames, in the source's order, including frames with nobody in them.
        frame: ``(D,)`` int64, the frame index of each detection.
        points: ``(D, P, C)`` float32.
        scores: ``(D, P)`` float32; None if there are none.
        numbers: ``(D,)`` float64, the estimator's track numbers, NaN where there is none.
        estimator: the pose estimator; None if the points are a layout's own joints.
        label: class index or class name, if the source has one.
        split: train, val or test, if the source has one.
        total: number of frames that the source states, if any.
        group: subject or recording, if the source has one.
        normalised: whether coordinates are normalised by the picture size.
        fps: frames per second, if the source states them.
        other_points: whether the source names its points, and they are not those that their number suggests.
    """

    name: str
    frames: Sequence[FrameKey]
    frame: NDArray[np.int64]
    points: NDArray[np.float32]
    scores: NDArray[np.float32] | None
    numbers: NDArray[np.float64]
    estimator: Estimator | None = None
    label: int | str | None = None
    split: str | None = None
    total: int | None = None
    group: str = ""
    normalised: bool = False
    fps: float | None = None
    other_points: bool = False

    def as_normalised(self) -> "Recording":
        """The same recording, its coordinates marked as normalised by the picture size."""
        return replace(self, normalised=True)

    @classmethod
    def from_frames(
        cls,
        name: str,
        frames: Iterable[tuple[FrameKey, list[Person]]],
        estimator: Estimator | None = None,
        **known: Any,
    ) -> "Recording":
        """Collect the people of each frame; ``known`` may contain label, split or group.

        Raises:
            UserError: people have different numbers of points.
        """
        keys, where, people = [], [], []
        for index, (key, seen) in enumerate(frames):
            keys.append(key)
            where += [index] * len(seen)
            people += seen
        if len(sizes := {person.points.shape for person in people}) > 1:
            counts = " and ".join(str(size[0]) for size in sorted(sizes))
            raise UserError(f"clip {name} has people with {counts} points; run a single pose model on it.")
        scored = bool(people) and all(person.scores is not None for person in people)
        return cls(
            name=name,
            frames=keys,
            frame=np.array(where, np.int64),
            points=np.array([person.points for person in people], np.float32).reshape(len(people), *_shape(people)),
            scores=np.array([person.scores for person in people], np.float32) if scored else None,
            numbers=np.array([person.number for person in people], np.float64),
            estimator=estimator,
            **known,
        )

    @classmethod
    def from_array(
        cls,
        name: str,
        points: NDArray[np.floating],
        scores: NDArray[np.floating] | None = None,
        *,
        estimator: Estimator | None = None,
        label: int | str | None = None,
        split: str | None = None,
        total: int | None = None,
        fps: float | None = None,
        tracked: bool = False,
    ) -> "Recording":
        """From person slots ``points (M, T, P, C)`` and ``scores (M, T, P)``.

        A slot may hold different people, unless they are ``tracked``: then it is one person.
        """
        people, length = points.shape[:2]
        numbers = np.arange(people, dtype=np.float64) if tracked else np.full(people, np.nan)
        return cls(
            name=name,
            frames=range(length),
            frame=np.tile(np.arange(length), people),
            points=np.asarray(points, np.float32).reshape(people * length, *points.shape[2:]),
            scores=None if scores is None else np.asarray(scores, np.float32).reshape(people * length, points.shape[2]),
            numbers=np.repeat(numbers, length),
            estimator=estimator,
            label=label,
            split=split,
            total=total,
            fps=fps,
        )


def _shape(people: list[Person]) -> tuple[int, ...]:
    return people[0].points.shape if people else (0, 2)
