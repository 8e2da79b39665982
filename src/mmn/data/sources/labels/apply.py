"""Assignment of labels, splits and groups to clips, and conversion of class names to indices."""

from collections.abc import Sequence
from dataclasses import replace

from mmn.data.format.classes import Classes
from mmn.data.sources.classes import find_classes
from mmn.data.sources.clip import Clip
from mmn.data.sources.labels.index import class_indices
from mmn.data.sources.labels.match import match_rows
from mmn.data.sources.labels.table import Row
from mmn.data.sources.options import ConvertOptions


def with_rows(clips: Sequence[Clip], nobody: Sequence[str], rows: Sequence[Row], labels: str) -> list[Clip]:
    """Clips with their label, split and group from the label table, in its order.

    Args:
        clips: clips in any order; several may be from one recording.
        nobody: recordings with nobody in them; they may have rows without a clip.
        rows: the label table.
        labels: its name in error messages.

    Raises:
        UserError: a clip has no row, or a row has no clip.
    """
    names = list(dict.fromkeys([*(clip.recording for clip in clips), *nobody]))
    by_name = match_rows(names, rows, nobody, labels)
    place = {row.name: index for index, row in enumerate(rows)}
    labelled = []
    for clip in sorted(clips, key=lambda clip: place[by_name[clip.recording].name]):
        row = by_name[clip.recording]
        group = row.group or clip.group
        labelled.append(replace(clip, label=row.label, split=row.split, group=group, where=f"{row.where}: "))
    return labelled


def with_indices(
    clips: Sequence[Clip], layout: str, options: ConvertOptions, auto: bool, published: bool
) -> tuple[list[Clip], Classes, list[str]]:
    """Clips with class indices instead of names, the classes, and a note if class names are missing.

    Args:
        clips: clips with labels as written.
        layout: name or file of the layout, which may define class names.
        options: conversion options; ``classes`` and ``labels_from`` are used.
        auto: whether the layout was inferred from the source.
        published: whether labels are class indices, which are checked with the rest of the file.

    Raises:
        UserError: a label is invalid, or labels look one-based.
    """
    labels = ["" if clip.label is None else clip.label for clip in clips]
    classes, notes = find_classes(layout, options.classes, labels, options.labels_from or 0, auto)
    if published and not any(clip.where for clip in clips):
        return list(clips), classes, notes
    where = [f"{clip.where}clip {clip.name}" for clip in clips]
    indices = class_indices(labels, where, classes, options.labels_from)
    return [replace(clip, label=index) for clip, index in zip(clips, indices, strict=True)], classes, notes
