"""From a recording to clips, the same steps for every format: frame numbers, tracking, choice of person, joints."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.sources.clip import Clip
from mmn.data.sources.frame_numbers import all_alike, frame_numbers
from mmn.data.sources.joints_by_name import Selection
from mmn.data.sources.options import ConvertOptions
from mmn.data.sources.people.choose_person import choose_person
from mmn.data.sources.people.seen import seen_points
from mmn.data.sources.people.tracking import track_people
from mmn.data.sources.picture import are_normalised, in_pixels
from mmn.data.sources.points import BY_COUNT, Estimator
from mmn.data.sources.recording import Recording
from mmn.data.sources.words import some
from mmn.errors import UserError

_MOST_PEOPLE = 500  # in a frame; following people takes time quadratic in their number


class Steps:
    """Turns a source's recordings into clips, and collects notes for the user.

    Args:
        layout: the skeleton of the clips.
        layout_name: its name in messages.
        options: conversion options.
        published: use the joints unchanged.
    """

    def __init__(self, layout: Layout, layout_name: str, options: ConvertOptions, published: bool) -> None:
        self.layout, self.layout_name, self.options, self.published = layout, layout_name, options, published
        self._first = 1 << 62  # lowest frame number so far
        self.same_name: list[str] = []
        self.one_frame: list[str] = []
        self.too_long: list[str] = []
        self.too_short: list[str] = []
        self.selections: dict[str, Selection] = {}

    def clips(self, recording: Recording) -> Iterator[Clip]:
        """The clips of one recording: one, several if all its people are kept, or none if nobody is in it."""
        if self.published:
            yield self._clip(recording, recording.name, np.arange(len(recording.frames)), recording.points, None, 0)
            return
        if len(recording.frames) == 1 and len(recording.frame) > 1:
            self.one_frame.append(recording.name)
        of_frames = frame_numbers(recording.frames, recording.name)
        if (crowd := int(np.bincount(recording.frame).max(initial=0))) > _MOST_PEOPLE:
            raise UserError(f"clip {recording.name} has {crowd:,} people in one frame; give each frame its own number.")
        self._first = min(self._first, int(of_frames.min(initial=self._first)))
        numbers = of_frames[recording.frame]
        if all_alike(recording.frames):
            self.same_name.append(recording.name)
        seen = seen_points(recording.points, recording.scores)
        zero = (recording.points == 0).all(axis=2) if recording.scores is None else None
        visible = seen if zero is None else seen & ~zero
        if zero is not None and not visible.any():
            visible = seen  # nothing but zeros: see settle_zeros
        present = np.flatnonzero(visible.any(axis=1) & self._counted(recording))
        present = present[np.argsort(numbers[present], kind="stable")]
        if not len(present):
            return
        numbers, seen, points = numbers[present], seen[present], recording.points[present]
        scores = None if recording.scores is None else recording.scores[present]
        found = seen_points(points, scores, self.options.min_score)  # before −1, for a missing joint, is scaled
        if recording.normalised or (self.options.picture and are_normalised(points)):
            points = in_pixels(points, self.options.picture, recording.name)
        visible = visible[present]
        people = track_people(numbers, points, visible, recording.numbers[present])
        kept = choose_person(self.options.person, people, points, scores, visible, len(np.unique(numbers)))
        others = len(np.unique(people)) - len(kept)
        for place, person in enumerate(kept, start=1):
            own = np.flatnonzero(people == person)
            name = recording.name if len(kept) == 1 else f"{recording.name}/person{place}"
            marked = np.where(found[own][:, :, None], points[own], np.nan)
            at_zero = None if zero is None else zero[present][own]
            yield self._clip(recording, name, numbers[own], marked, at_zero, others)

    @property
    def counts_from(self) -> int:
        """The number of a recording's first frame: 1 if the lowest frame number in the source is 1, else 0."""
        return int(self._first == 1)

    def notes(self) -> list[str]:
        """Notes for the user on the recordings processed so far."""
        notes = [note for selection in self.selections.values() for note in selection.notes]
        for names, what in (
            (self.same_name, "all frames of {} have the same name and are counted in order"),
            (self.one_frame, "all detections are in one frame in {}"),
            (self.too_long, "frames beyond the total stated in the source were cut off: {}"),
            (self.too_short, "the source states more frames than it has: {}"),
        ):
            if names:
                notes.append(what.format(some(names)))
        return notes

    def _counted(self, recording: Recording) -> NDArray[np.bool_]:
        """Mask of detections in frames up to the total stated in the source, if any."""
        if recording.total is None or recording.total == len(recording.frames):
            return np.ones(len(recording.frame), np.bool_)
        names = self.too_long if recording.total < len(recording.frames) else self.too_short
        names.append(f"{recording.name} ({recording.total} of {len(recording.frames)})")
        return recording.frame < recording.total

    def _clip(
        self,
        recording: Recording,
        name: str,
        frames: NDArray[np.int64],
        points: NDArray[np.float32],
        zero: NDArray[np.bool_] | None,
        others: int,
    ) -> Clip:
        estimator = recording.estimator or (None if recording.other_points else self._known(points.shape[1]))
        if estimator is not None:
            selection = self.selections.get(estimator.words)
            if selection is None:
                selection = Selection(self.layout.joints, estimator, self.layout_name)
                self.selections[estimator.words] = selection
            points, zero = selection.points(points), None if zero is None else selection.any(zero)
        return Clip(
            name=name,
            frames=frames,
            joints=points,
            zero=zero,
            recording=recording.name,
            label=recording.label,
            split=recording.split,
            group=recording.group or (recording.name if self.options.person == "all" else ""),
            left_out=others,
            fps=recording.fps,
        )

    def _known(self, count: int) -> Estimator | None:
        """The estimator of an array without names, unless its points are the layout's own joints."""
        return None if count == self.layout.num_joints else BY_COUNT.get(count)
