"""Labels, splits and groups brought to clips, and class names turned into indices."""

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
    """Clips with their entries of the label table, in its order.

    Args:
        clips: of any order; several may be of one recording.
        nobody: recordings without a clip, whose rows are no error.
        rows: the table.
        labels: what a sentence calls it.

    Raises:
        UserError: clips without a row, or rows without a clip.
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
    """Clips with class indices instead of names, the classes they index, and a note if class names are missing.

    Args:
        clips: with labels as they were written.
        layout: the layout's name or file, which may bring class names.
        options: class names given, and where labels count from.
        auto: whether the layout was chosen by the source.
        published: labels are indices and are checked with the rest of the file.

    Raises:
        UserError: labels that are none, or that look as if they counted from 1.
    """
    labels = ["" if clip.label is None else clip.label for clip in clips]
    classes, notes = find_classes(layout, options.classes, labels, options.labels_from or 0, auto)
    if published and not any(clip.where for clip in clips):
        return list(clips), classes, notes
    where = [f"{clip.where}clip {clip.name}" for clip in clips]
    indices = class_indices(labels, where, classes, options.labels_from)
    return [replace(clip, label=index) for clip, index in zip(clips, indices, strict=True)], classes, notes
