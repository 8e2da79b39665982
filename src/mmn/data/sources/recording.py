"""What every reader makes of its files: recordings, frame by frame, with the people seen in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.points import Estimator
from mmn.errors import UserError

FrameKey = str | int | float | None
"""What a source calls a frame: a file's name, a number, or nothing."""


class Person(NamedTuple):
    """One detection in one frame.

    Attributes:
        points: ``(P, C)``.
        scores: ``(P,)``; None where the estimator gives none.
        number: the estimator's own number of the person, NaN where it does not follow people.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32] | None = None
    number: float = np.nan


@dataclass(frozen=True)
class Recording:
    """One recording as its source tells it, nothing decided yet.

    Attributes:
        name: what labels call it.
        frames: F names of the frames there are, in the source's order; frames nobody is in count.
        frame: ``(D,)`` int64, for each detection the index of its frame.
        points: ``(D, P, C)`` float32.
        scores: ``(D, P)`` float32, or None where there are none.
        numbers: ``(D,)`` float64, the estimator's own numbers of people, NaN where there is none.
        estimator: whose points they are; None where they are a layout's own joints.
        label: class index or class name, where the source says so.
        split: train, val or test, where the source says so.
        total: how many frames the source says there are, where it does.
        group: the subject or recording it is of, where the source says so.
        shares: whether coordinates are shares of the picture.
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
    shares: bool = False

    def of_shares(self) -> "Recording":
        """The same recording, its coordinates known to be shares of the picture."""
        return replace(self, shares=True)

    @classmethod
    def from_frames(
        cls,
        name: str,
        frames: Iterable[tuple[FrameKey, list[Person]]],
        estimator: Estimator | None = None,
        **known: Any,
    ) -> "Recording":
        """Gather the people of each frame; ``known`` is label, split or group.

        Raises:
            UserError: people with different numbers of points.
        """
        keys, where, people = [], [], []
        for index, (key, seen) in enumerate(frames):
            keys.append(key)
            where += [index] * len(seen)
            people += seen
        if len(sizes := {person.points.shape for person in people}) > 1:
            counts = " and ".join(str(size[0]) for size in sorted(sizes))
            raise UserError(f"clip {name} has people of {counts} points; write it with one model of the estimator.")
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
    ) -> "Recording":
        """From person slots ``points (M, T, P, C)`` and ``scores (M, T, P)``, which may change hands between frames."""
        people, length = points.shape[:2]
        return cls(
            name=name,
            frames=range(length),
            frame=np.tile(np.arange(length), people),
            points=np.asarray(points, np.float32).reshape(people * length, *points.shape[2:]),
            scores=None if scores is None else np.asarray(scores, np.float32).reshape(people * length, points.shape[2]),
            numbers=np.full(people * length, np.nan),
            estimator=estimator,
            label=label,
            split=split,
            total=total,
        )


def _shape(people: list[Person]) -> tuple[int, ...]:
    return people[0].points.shape if people else (0, 2)
