"""Conversion of pose files to a single HDF5 file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.hdf5 import write_data
from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SPLITS, SkeletonData, check_data
from mmn.data.sources.auto_layout import AUTO, find_layout
from mmn.data.sources.clip import Clip
from mmn.data.sources.faults import usable
from mmn.data.sources.fill import fill_missing
from mmn.data.sources.formats import reader_of, recognise
from mmn.data.sources.frame_numbers import common_step
from mmn.data.sources.labels.apply import with_indices, with_rows
from mmn.data.sources.labels.segments import Segment, cut, is_segments, read_segments
from mmn.data.sources.labels.table import read_labels
from mmn.data.sources.missing import lay_out, settle_zeros
from mmn.data.sources.options import ConvertOptions
from mmn.data.sources.recording import Recording
from mmn.data.sources.steps import Steps
from mmn.errors import UserError
from mmn.outside import blamed


@dataclass(frozen=True)
class Found:
    """The contents of a source.

    Attributes:
        data: the data set, ready for training.
        left_out: clip → number of other people in view.
        frames: clip → its frame numbers ``(T,)`` in the recording, counted from 0.
        fps: clip → the frames per second that its source states, if it does.
    """

    data: SkeletonData
    left_out: dict[str, int]
    frames: dict[str, NDArray[np.int64]]
    fps: dict[str, float]


def convert(source: str | Path, output: str | Path, layout: str | Path, **options: Any) -> SkeletonData:
    """Convert a source to one HDF5 file, written completely or not at all.

    Args:
        source: a file or folder; see ``readers``.
        output: the file to write.
        layout: a built-in layout, a YAML file, or ``auto`` for the estimator's own.
        **options: see ``read_source``.

    Returns:
        The data set that was written.

    Raises:
        UserError: the source contains something training cannot use; the message says where. Nothing is written.
    """
    name = options.pop("name", None) or Path(output).stem
    data = read_source(source, layout, name=name, **options).data
    write_data(output, data)
    return data


def read_source(
    source: str | Path,
    layout: str | Path | Layout,
    *,
    name: str = "",
    origin: str | None = None,
    watch: Callable[[Iterable[Recording]], Iterable[Recording]] = iter,
    **options: Any,
) -> Found:
    """Read a source.

    Args:
        source: a file or folder; see ``readers``.
        layout: a built-in layout, a YAML file, ``auto`` for the estimator's own, or a ``Layout``.
        name: short name of the data set.
        origin: description of where the source came from; its file name by default.
        watch: wraps the iteration over recordings, for example to show progress.
        **options: see ``ConvertOptions``.

    Raises:
        UserError: the source contains something training cannot use; the message says where.
    """
    settings = ConvertOptions(**options)
    path = Path(source)
    with blamed(path, "source", "write it again, or give --format"):
        kind = settings.format or recognise(path)
    read = reader_of(kind)
    segments = None if settings.labels is None else _segments(settings)
    rows = None if settings.labels is None or segments is not None else read_labels(settings.labels)
    with blamed(path, "source of that format", "write it again, or give --format"):
        parsed = read(path, settings)
        skeleton, layout_name, recordings = find_layout(layout, parsed)
        steps = Steps(skeleton, layout_name, settings, parsed.published)
        clips, nobody = _clips(watch(recordings), steps)
    _check_joints(clips, skeleton, path)
    if rows is not None:
        clips = with_rows(clips, nobody, rows, str(settings.labels))
    notes = [*parsed.notes, *steps.notes()]
    if not parsed.published:
        step = common_step(clip.frames for clip in clips)
        clips = [lay_out(clip, step) for clip in settle_zeros(clips, settings.zeros, skeleton.joints)]
    if segments is not None:
        clips, without = cut(clips, segments, settings.fps, settings.pad, settings.rest, steps.counts_from)
        notes += without
    clips, classes, unnamed = with_indices(clips, layout_name, settings, str(layout) == AUTO, parsed.published)
    notes += unnamed
    if not parsed.published:
        clips, skipped = usable(clips, nobody, skeleton, settings)
        notes += skipped
    splits = _splits(clips)
    if settings.missing == "interpolate":
        splits = {split: fill_missing(c, skeleton, f"{source}, split {split}") for split, c in splits.items()}
    notes += _notes(clips, splits, settings.person)
    data = SkeletonData(
        name=name or path.stem,
        source="; ".join([f"{parsed.kind} from {origin or path.name}", *notes]),
        layout=skeleton,
        classes=classes,
        splits=splits,
    )
    check_data(data, str(source))
    left_out = {clip.name: clip.left_out for clip in clips if clip.left_out}
    frames = {clip.name: clip.frames - steps.counts_from for clip in clips}
    return Found(data, left_out, frames, {clip.name: clip.fps for clip in clips if clip.fps})


def _segments(settings: ConvertOptions) -> list[Segment] | None:
    """The segments, if the labels are a table of segments."""
    path = Path(str(settings.labels))
    return read_segments(path, settings.fps) if path.exists() and is_segments(path) else None


def _clips(recordings: Iterable[Recording], steps: Steps) -> tuple[list[Clip], list[str]]:
    """The clips of all recordings, and the names of recordings with nobody in them."""
    clips: list[Clip] = []
    nobody: list[str] = []
    for recording in recordings:
        found = list(steps.clips(recording))
        clips += found
        if not found:
            nobody.append(recording.name)
    if not clips and not nobody:
        raise UserError("there are no clips; pass at least one array (frames, joints, coordinates).")
    return clips, nobody


def _check_joints(clips: Sequence[Clip], layout: Layout, path: Path) -> None:
    """Refuse clips with another number of joints than the layout."""
    for clip in clips:
        if clip.joints.shape[1] != layout.num_joints:
            raise UserError(
                f"{path}: clip {clip.name} has {clip.joints.shape[1]} joints per frame, its layout "
                f"{layout.num_joints}; give the layout it was recorded in."
            )


def _splits(clips: Sequence[Clip]) -> dict[str, Clips]:
    """Clips by split; those without a split become the test split."""
    splits = {split: [clip for clip in clips if (clip.split or "test") == split] for split in SPLITS}
    return {
        split: Clips.from_arrays(
            [clip.joints for clip in members],
            [clip.label if isinstance(clip.label, int) else UNKNOWN for clip in members],
            [clip.name for clip in members],
            [clip.group for clip in members] if any(clip.group for clip in members) else None,
        )
        for split, members in splits.items()
        if members
    }


def _notes(clips: Sequence[Clip], splits: dict[str, Clips], person: str) -> list[str]:
    """Notes on the people left out and the joints filled in."""
    notes = []
    if others := sum(clip.left_out for clip in clips):
        way = {"best": "the one with the best mean score", "all": "those in view long enough"}
        notes.append(f"{others} other people were left out, each clip keeping {way.get(person, f'--person {person}')}")
    masks = [np.asarray(c.filled) for c in splits.values() if c.filled is not None]
    if masks:
        notes.append(f"{sum(int(mask.sum()) for mask in masks)} missing joints were filled in by interpolation")
    return notes
