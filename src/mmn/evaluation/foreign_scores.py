"""Scores of other projects as a stream: their clips and classes matched to those of the split."""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.evaluation.foreign_files import Rows, read_rows
from mmn.evaluation.scores import Scores, Source, check_scores
from mmn.text import counted

log = logging.getLogger(__name__)

_CLIP_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".npy", ".npz", ".json", ".skeleton", ".csv", ".txt", ".pkl")


def read_foreign(path: Path, known: Scores) -> Scores:
    """The scores of a file for the clips of ``known``, in its order.

    Clips are matched by name, ignoring folder and suffix; in a file without names, by order, if it has as
    many. Probabilities are converted to their logarithm. Both are logged.

    Args:
        path: the file; see ``read_rows``.
        known: clips, labels and classes of the split.

    Raises:
        UserError: a file that cannot be read, has other classes, or lacks some of the clips.
    """
    rows = read_rows(path)
    values = _in_our_classes(rows, known, path)
    order = _in_our_order(rows, known, path)
    values = values[order]
    if rows.labels is not None:
        _check_labels(rows.labels[order], known, path)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        log.info("%s: its rows are probabilities; their logarithms are used", path)
        values = np.log(np.maximum(values, 1e-12))
    source = Source(checkpoints=(str(path.resolve()),), data=known.source.data, split=known.source.split)
    scores = replace(known, logits=values.astype(np.float32), source=replace(source, view=known.source.view))
    check_scores(scores, str(path))
    return scores


def _in_our_classes(rows: Rows, known: Scores, path: Path) -> NDArray[np.float64]:
    names = known.classes.names
    if rows.values.shape[1] != len(names):
        raise UserError(
            f"{path} has {rows.values.shape[1]} scores per clip, but there are {len(names)} classes; give one for each."
        )
    if rows.classes is None or not set(rows.classes) & set(names):
        return rows.values
    if missing := [name for name in names if name not in rows.classes]:
        raise UserError(f"{path} has no column for class {missing[0]}; name every class in its header, or none.")
    return rows.values[:, [rows.classes.index(name) for name in names]]


def _in_our_order(rows: Rows, known: Scores, path: Path) -> NDArray[np.int64]:
    if rows.names is None:
        if len(rows.values) != len(known.names):
            raise UserError(
                f"{path} has {len(rows.values)} rows without names, but the split has {len(known.names)} clips; give "
                "one row per clip, or name the rows."
            )
        log.info("%s: its rows have no names and are matched by the order of the file's clips", path)
        return np.arange(len(rows.values))
    place = {name: index for index, name in enumerate(rows.names)}
    for index, name in enumerate(rows.names):  # copies are harmless: distributed test scripts repeat clips
        if not np.array_equal(rows.values[index], rows.values[place[name]]):
            raise UserError(f"{path} has two different rows of scores for clip {name}; write it again.")
    bare = {_bare(name): index for name, index in place.items()} if len({*map(_bare, place)}) == len(place) else {}
    order = [place.get(name, bare.get(_bare(name), -1)) for name in known.names]
    if -1 in order:
        lost = [name for name, index in zip(known.names, order, strict=True) if index < 0]
        raise UserError(f"{path} has no scores for clip {lost[0]} ({len(lost)} such); give scores of the same split.")
    if len(set(order)) < len(order):
        twice = Counter(order).most_common(1)[0][0]
        first, second = [name for name, index in zip(known.names, order, strict=True) if index == twice][:2]
        raise UserError(f"{path} has one row for both {first} and {second}; name its rows by file and clip.")
    if extra := len(rows.names) - len(order):
        log.info("%s: %s outside the split ignored", path, counted(extra, "clip"))
    return np.array(order, np.int64)


def _bare(name: str) -> str:
    """A clip's name without folders and file suffix."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in _CLIP_SUFFIXES else path.name


def _check_labels(labels: NDArray[np.int64], known: Scores, path: Path) -> None:
    both = (labels >= 0) & (known.labels >= 0)
    wrong = np.flatnonzero(both & (labels != known.labels))
    if len(wrong):
        raise UserError(
            f"{path} has class {labels[wrong[0]]} for clip {known.names[wrong[0]]}, but the split has "
            f"{known.labels[wrong[0]]} ({len(wrong)} such); check that it has the same clips in the same order."
        )
