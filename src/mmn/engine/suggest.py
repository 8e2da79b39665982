"""Suggest clips to label next, and labels to check."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import Layout
from mmn.data.format.selection import join
from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.labels.index import index_of
from mmn.data.sources.labels.table import read_table
from mmn.errors import UserError
from mmn.evaluation.errors import likely_label_errors
from mmn.evaluation.logits import softmax
from mmn.evaluation.scores import Scores
from mmn.evaluation.suggest import next_to_label
from mmn.inference.predict import Predictor

TO_LABEL, TO_CHECK = "label", "check"
PLACES = 3


@dataclass(frozen=True)
class Suggestions:
    """All clips of a file, the suggested ones first.

    Attributes:
        clips: the clips of all splits.
        layout: their skeleton.
        classes: the classes of the file.
        order: index of each row's clip.
        rows: a table for ``mmn convert --labels``: ``name``, ``label``, ``split`` and ``group`` as in the file, except
            that clips to label are in train; ``why`` the clip is suggested (``label``, ``check`` or empty); and its
            ``likeliest`` class with the ``probability``.
        guesses: the most likely classes of each row, with their probabilities.
    """

    clips: Clips
    layout: Layout
    classes: Classes
    order: list[int]
    rows: list[dict[str, Any]]
    guesses: list[list[tuple[str, float]]]

    def count(self, why: str) -> int:
        """Number of clips suggested for this reason."""
        return sum(row["why"] == why for row in self.rows)


def suggest(predictor: Predictor, path: Path, count: int, checks: int = 20, seed: int = 0) -> Suggestions:
    """Suggest clips of a file to label or to check.

    A label is to be checked if the networks are confident of another class and were not trained on it.

    Args:
        predictor: the networks.
        path: an mmn data file.
        count: number of clips to label.
        checks: maximum number of labels to check.
        seed: random seed of ``next_to_label``.

    Raises:
        UserError: the file cannot be read, or there is nothing to label or to check.
    """
    data = read_data(path)
    clips, splits = join(data.splits), [split for split, part in data.splits.items() for _ in range(len(part))]
    logits, features = predictor.examine([clips.clip(i) for i in range(len(clips))], data.layout)
    chances = softmax(logits)
    unlabelled = np.flatnonzero(~clips.labelled)
    chosen = (
        unlabelled[next_to_label(features[unlabelled], chances[unlabelled], count, seed)].tolist()
        if len(unlabelled)
        else []
    )
    doubted = _doubted(predictor, data, clips, logits, checks)
    if not chosen and not doubted:
        raise UserError(
            f"{path} has no unlabelled clips, and no label in it is contradicted; there is nothing to suggest."
        )
    why = {**dict.fromkeys(doubted, TO_CHECK), **dict.fromkeys(chosen, TO_LABEL)}
    order = [*chosen, *doubted, *(i for i in range(len(clips)) if i not in why)]
    names = predictor.classes.names
    guesses = [[(names[k], float(chances[i, k])) for k in np.argsort(-chances[i])[:PLACES]] for i in order]
    rows = []
    for i, ((likeliest, chance), *_) in zip(order, guesses, strict=True):
        label = "" if clips.labels[i] == UNKNOWN else data.classes.names[clips.labels[i]]
        split = "train" if why.get(i) == TO_LABEL else splits[i]
        group = {} if clips.groups is None else {"group": clips.groups[i]}
        more = {"why": why.get(i, ""), "likeliest": likeliest, "probability": round(chance, 6)}
        rows.append({"name": clips.names[i], "label": label, "split": split, **group, **more})
    return Suggestions(clips, data.layout, data.classes, order, rows, guesses)


def unconverted_label(path: Path, found: Suggestions) -> str | None:
    """The first clip with a label in the table ``path``, if there is one, that the data file lacks.

    Raises:
        UserError: the file is not a table of labels.
    """
    if not path.exists():
        return None
    known = {(row["name"], row["label"]) for row in found.rows}
    for _, row in read_table(path, ("name", "label")):
        index = index_of(row["label"], found.classes, 0)
        label = row["label"] if index is None else "" if index == UNKNOWN else found.classes.names[index]
        if label and (row["name"], label) not in known:
            return row["name"]
    return None


def _doubted(predictor: Predictor, data: SkeletonData, clips: Clips, logits: np.ndarray, checks: int) -> list[int]:
    """Clips whose label the networks contradict, most confident first; labels of unknown classes are ignored."""
    place = {name: k for k, name in enumerate(predictor.classes.names)}
    labels = np.array([place.get(data.classes.names[k], UNKNOWN) if k != UNKNOWN else UNKNOWN for k in clips.labels])
    labels[predictor.trained_on(clips, data.layout)] = UNKNOWN
    scores = Scores(clips.names, labels, logits.astype(np.float32), predictor.classes)
    at = {name: i for i, name in enumerate(clips.names)}
    return [at[one["clip"]] for one in likely_label_errors([scores], count=checks)]
