"""From the files people have to the one HDF5 file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.hdf5 import write_data
from mmn.data.format.layout import Classes
from mmn.data.format.skeletons import SPLITS, SkeletonData, check_data
from mmn.data.sources.auto_layout import AUTO, find_layout
from mmn.data.sources.classes import find_classes
from mmn.data.sources.clip import Clip
from mmn.data.sources.faults import usable
from mmn.data.sources.fill import fill_missing
from mmn.data.sources.formats import reader_of, recognise
from mmn.data.sources.frame_numbers import common_step
from mmn.data.sources.labels.index import class_indices
from mmn.data.sources.labels.match import match_rows
from mmn.data.sources.labels.table import Row, read_labels
from mmn.data.sources.missing import lay_out, settle_zeros
from mmn.data.sources.recording import Recording
from mmn.data.sources.request import Options
from mmn.data.sources.steps import Steps
from mmn.errors import UserError


@dataclass(frozen=True)
class Found:
    """What a source was found to hold.

    Attributes:
        data: ready to be trained on.
        left_out: clip → how many other people were in view.
    """

    data: SkeletonData
    left_out: dict[str, int]


def convert(source: str | Path, output: str | Path, layout: str | Path, **options: Any) -> SkeletonData:
    """Convert any source to one HDF5 file, written whole or not at all.

    Args:
        source: a file or folder; see ``readers``.
        output: the file to write.
        layout: a built-in layout, a YAML file, or ``auto`` for the estimator's own.
        **options: those of ``read_source``.

    Returns:
        What was written.

    Raises:
        UserError: anything in the source that training could not use, with its place; nothing is written.
    """
    name = options.pop("name", None) or Path(output).stem
    data = read_source(source, layout, name=name, **options).data
    write_data(output, data)
    return data


def read_source(
    source: str | Path, layout: str | Path, *, name: str = "", origin: str | None = None, **options: Any
) -> Found:
    """Read any source.

    Args:
        source: a file or folder; see ``readers``.
        layout: a built-in layout, a YAML file, or ``auto`` for the estimator's own.
        name: short name of the data set.
        origin: where the source came from, in words; its own name by default.
        **options: see ``Options``.

    Raises:
        UserError: anything in the source that training could not use, with its place.
    """
    asked = Options(**options)
    path = Path(source)
    read = reader_of(asked.format or recognise(path))
    rows = None if asked.labels is None else read_labels(asked.labels)
    parsed = read(path, asked)
    skeleton, layout_name, recordings = find_layout(layout, parsed)
    steps = Steps(skeleton, layout_name, asked, parsed.published)
    clips, nobody = _clips(recordings, steps)
    clips, classes, unnamed = _labelled(
        clips, nobody, rows, layout_name, asked, parsed.published, auto=str(layout) == AUTO
    )
    skipped: list[str] = []
    if not parsed.published:
        step = common_step(clip.frames for clip in clips)
        clips = [lay_out(clip, step) for clip in settle_zeros(clips, asked.zeros, skeleton.joints)]
        clips, skipped = usable(clips, nobody, skeleton, asked)
    splits = _splits(clips)
    if asked.missing == "interpolate":
        splits = {split: fill_missing(c, skeleton, f"{source}, split {split}") for split, c in splits.items()}
    notes = [*parsed.notes, *steps.notes(), *unnamed, *skipped, *_notes(clips, splits, asked.person)]
    data = SkeletonData(
        name=name or path.stem,
        source="; ".join([f"{parsed.kind} from {origin or path.name}", *notes]),
        layout=skeleton,
        classes=classes,
        splits=splits,
    )
    check_data(data, str(source))
    return Found(data, {clip.name: clip.left_out for clip in clips if clip.left_out})


def _clips(recordings: Iterable[Recording], steps: Steps) -> tuple[list[Clip], list[str]]:
    """The clips of all recordings, and the names of those that nobody is in."""
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


def _labelled(
    clips: list[Clip],
    nobody: Sequence[str],
    rows: list[Row] | None,
    layout: str,
    options: Options,
    published: bool,
    auto: bool,
) -> tuple[list[Clip], Classes, list[str]]:
    """Clips with class indices and splits, in the order of the table of labels where there is one."""
    where = [f"clip {clip.name}" for clip in clips]
    if rows is not None:
        names = list(dict.fromkeys([*(clip.recording for clip in clips), *nobody]))
        by_name = match_rows(names, rows, nobody, str(options.labels))
        place = {row.name: index for index, row in enumerate(rows)}
        clips = sorted(clips, key=lambda clip: place[by_name[clip.recording].name])
        found = [by_name[clip.recording] for clip in clips]
        where = [f"{row.where}: clip {clip.name}" for row, clip in zip(found, clips, strict=True)]
        clips = [
            replace(clip, label=row.label, split=row.split, group=row.group)
            for row, clip in zip(found, clips, strict=True)
        ]
    classes, notes = find_classes(
        layout, options.classes, [clip.label for clip in clips], options.labels_from or 0, auto
    )
    labels = ["" if clip.label is None else clip.label for clip in clips]
    if published and rows is None:  # checked with the rest of the file
        return clips, classes, notes
    indices = class_indices(labels, where, classes, options.labels_from)
    return [replace(clip, label=index) for clip, index in zip(clips, indices, strict=True)], classes, notes


def _splits(clips: Sequence[Clip]) -> dict[str, Clips]:
    """Clips by split; those that no label or source gives one are a test split."""
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
    """What was decided for the clips, with numbers."""
    notes = []
    if others := sum(clip.left_out for clip in clips):
        way = {"best": "the one with the best mean score", "all": "those in view for long"}
        notes.append(f"{others} other people were left out, each clip keeping {way.get(person, f'--person {person}')}")
    masks = [np.asarray(c.filled) for c in splits.values() if c.filled is not None]
    if masks:
        notes.append(f"{sum(int(mask.sum()) for mask in masks)} missing joints were filled in by interpolation")
    return notes
