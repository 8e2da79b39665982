"""Read recordings of any kind, and recognise actions in each."""

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import Layout, load_layout
from mmn.data.format.selection import join, take
from mmn.data.sources.classes import UNNAMED
from mmn.data.sources.convert import read_source
from mmn.data.sources.joints_by_name import LackingJointsError
from mmn.data.sources.readers.deeplabcut import is_deeplabcut
from mmn.data.sources.readers.sleap import is_sleap
from mmn.data.sources.recording import Recording
from mmn.data.sources.words import some
from mmn.errors import UserError
from mmn.evaluation.probabilities import Guess, likeliest
from mmn.evaluation.scores import Scores
from mmn.evaluation.segments import Segment, segments_in, step_of
from mmn.inference.long_recording import check_windows, frame_probabilities, runs
from mmn.inference.predict import Predictor

_LONG = {"max_gap": sys.maxsize, "max_filled": 1.0}

ASSUMED_FPS = 30.0
"""Frames per second of recordings that do not say theirs."""


@dataclass(frozen=True)
class Recordings:
    """The content of a source.

    Attributes:
        clips: the clips of all splits.
        layout: their skeleton.
        frames: the frame numbers ``(T,)`` of each clip, 0 for the recording's first frame.
        fps: the frames per second of each clip; None where they are unknown.
        notes: what was changed or assumed in reading, for the user.
    """

    clips: Clips
    layout: Layout
    frames: list[NDArray[np.int64]]
    fps: list[float | None]
    notes: str = ""

    def identities(self) -> list[str]:
        """What an earlier result of each clip is recognised by: its name, content, timing and gaps."""
        return [
            f"{self.clips.names[i]} {content} {zlib.crc32(self.frames[i].tobytes() + self.filled(i).tobytes()):x} "
            f"{self.fps[i]}"
            for i, content in enumerate(self.clips.hashes())
        ]

    def pace(self, index: int) -> float:
        """Frames of a clip per second: its rate, or less if only every n-th frame of the recording is there."""
        return (self.fps[index] or ASSUMED_FPS) / step_of(self.frames[index])

    def filled(self, index: int) -> NDArray[np.bool_]:
        """Which joints ``(T, V)`` of a clip were filled in."""
        start, end = self.clips.offsets[index : index + 2]
        if self.clips.filled is None:
            return np.zeros((int(end - start), self.layout.num_joints), np.bool_)
        return self.clips.filled[start:end]


@dataclass(frozen=True)
class Sliding:
    """How a window slides over a long recording.

    Attributes:
        window: number of frames that are classified as one clip.
        stride: frames between the starts of successive windows.
        threshold: minimum probability of a segment's class.
        smooth: width of the smoothing in frames; None for the stride.
        background: the class that means no action; None for that of ``data.rest``.

    Raises:
        UserError: the threshold is not a probability, or the other numbers are impossible.
    """

    window: int = 64
    stride: int = 8
    threshold: float = 0.3
    smooth: float | None = None
    background: str | None = None

    def __post_init__(self) -> None:
        check_windows(self.window, self.stride, 0 if self.smooth is None else self.smooth)
        if not 0 < self.threshold <= 1:
            raise UserError(f"--threshold is {self.threshold:g}; it must be a probability above 0 and at most 1.")


def read_recordings(
    source: Path,
    predictor: Predictor,
    layout: str | None = None,
    split: str | None = None,
    long: bool = False,
    **options: Any,
) -> Recordings:
    """The clips of a source, with the joints that the networks need.

    Args:
        source: a file or folder that ``mmn convert`` reads, or a file that it wrote.
        predictor: the networks.
        layout: the layout of the source; None for the networks' own.
        split: the split to read; None for all.
        long: accept joints that are missing for any length of time.
        options: options of ``read_source``.

    Raises:
        UserError: the source cannot be read, or lacks joints that the networks need; the message names it.
    """
    try:
        found = _recordings(source, predictor, layout, split, long, options)
        predictor.check(found.layout, found.clips.keypoints.shape[2])
    except UserError as error:
        if str(source) in str(error):
            raise
        raise UserError(f"{source}: {error}") from None
    return found


def _recordings(
    source: Path, predictor: Predictor, layout: str | None, split: str | None, long: bool, options: dict[str, Any]
) -> Recordings:
    notes, numbers, rates = "", {}, {}
    if options.get("format") is None and source.suffix == ".h5" and not _is_of_a_tracker(source):
        data = read_data(source)
        if layout is not None and load_layout(layout).joints != data.layout.joints:
            raise UserError(f"{source} records its own joints, which are not those of {layout}; leave --layout out.")
        if ignored := [f"--{name.replace('_', '-')}" for name, value in options.items() if value and name != "fps"]:
            notes = f"{' and '.join(ignored)} have no effect on a file that mmn wrote"
    else:
        try:
            options = {"missing": "interpolate", **(_LONG if long else {}), **options, "poses_only": split is None}
            found = read_source(source, layout or predictor.layout, watch=_unlabelled, **options)
        except LackingJointsError as error:
            raise UserError(
                f"{source} holds {error.words}, which do not include {some(error.lacking)}, but the network needs "
                "them; give recordings that have them, or a network trained without them (data.joints=[…])."
            ) from None
        data, numbers, rates = found.data, found.frames, found.fps
        notes = "; ".join(note for note in data.source.split("; ")[1:] if note != UNNAMED)
    if split is not None and split not in data.splits:
        raise UserError(f"{source} has no split {split}; it has {', '.join(data.splits)}.")
    clips = join(data.splits) if split is None else data.splits[split]
    frames = [numbers.get(name, np.arange(length)) for name, length in zip(clips.names, clips.lengths, strict=True)]
    fps = [options.get("fps") or rates.get(name) for name in clips.names]
    return Recordings(clips, data.layout, frames, fps, notes)


def some_of(recordings: Recordings, chosen: Sequence[int]) -> Recordings:
    """The recordings at these indices."""
    frames, fps = [recordings.frames[index] for index in chosen], [recordings.fps[index] for index in chosen]
    return replace(recordings, clips=take(recordings.clips, np.array(chosen, np.int64)), frames=frames, fps=fps)


def likeliest_of(
    predictor: Predictor, recordings: Recordings, places: int, threshold: float = 0.0
) -> Iterator[list[Guess]]:
    """The ``places`` most likely classes of each clip, one batch of clips at a time; see ``likeliest``."""
    clips = recordings.clips
    for start in range(0, len(clips), predictor.batch_size):
        batch = range(start, min(start + predictor.batch_size, len(clips)))
        logits = predictor.logits([clips.clip(index) for index in batch], recordings.layout)
        names = clips.names[batch.start : batch.stop]
        scores = Scores(names, np.full(len(names), UNKNOWN), logits.astype(np.float32), predictor.classes)
        yield likeliest(scores, places, threshold)


def segments_of(
    predictor: Predictor,
    recordings: Recordings,
    sliding: Sliding,
    advance: Callable[[int], None] = lambda frames: None,
) -> Iterator[tuple[str, list[Segment]]]:
    """Yield the name and segments of each recording; times are relative to its first frame, in seconds.

    Args:
        predictor: the networks.
        recordings: the recordings.
        sliding: window, stride, threshold and smoothing.
        advance: called with the number of frames processed since the last call, several times per long recording.
    """

    found, classes = probabilities_of(predictor, recordings, sliding, advance), predictor.classes.names
    background = predictor.background if sliding.background is None else classes.index(sliding.background)
    clips = zip(recordings.clips.names, recordings.frames, recordings.fps, found, strict=True)
    for index, (name, frames, fps, probabilities) in enumerate(clips):
        rate = fps or ASSUMED_FPS
        for first, last in runs(np.asarray(recordings.filled(index).all(axis=1))):
            if last - first + 1 > recordings.pace(index) / 2:  # nobody is in view, not just missed
                probabilities[first : last + 1] = 0.0
        yield name, segments_in(name, probabilities, frames, classes, rate, sliding.threshold, background)


def probabilities_of(
    predictor: Predictor, recordings: Recordings, sliding: Sliding, advance: Callable[[int], None] = lambda frames: None
) -> Iterator[NDArray[np.float64]]:
    """Yield the class probabilities ``(T, K)`` of each recording's frames; arguments as in ``segments_of``."""

    def recognise(spans: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        probabilities = predictor(spans, recordings.layout)
        advance(len(spans) * sliding.stride)
        return probabilities

    smooth = sliding.stride if sliding.smooth is None else sliding.smooth
    for index in range(len(recordings.clips)):
        clip = np.asarray(recordings.clips.clip(index))
        yield frame_probabilities(recognise, clip, sliding.window, sliding.stride, smooth)


def with_unique_names(recordings: Recordings, source: Path, seen: set[str]) -> Recordings:
    """Rename recordings by the shortest part of their source's path that makes their names unlike those in ``seen``.

    Their names are added to ``seen``.

    Raises:
        UserError: the source was given before.
    """
    names = recordings.clips.names
    path = source.resolve().with_suffix("").parts
    prefixes = path[:-1] if names == [source.stem] else path
    for depth in range(len(prefixes) + 1):
        unique = ["/".join([*prefixes[len(prefixes) - depth :], name]) for name in names]
        if seen.isdisjoint(unique):
            seen.update(unique)
            return replace(recordings, clips=replace(recordings.clips, names=unique))
    raise UserError(f"{source} has a clip {names[0]}, like an earlier source; give each source once.")


def _unlabelled(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Drop labels, which may be classes that the network does not know."""
    return (replace(recording, label=None) for recording in recordings)


def _is_of_a_tracker(path: Path) -> bool:
    return is_sleap(path) or is_deeplabcut(path)
