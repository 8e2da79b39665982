"""The most likely classes of each clip by name, with their probabilities."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mmn.data.format.clips import UNKNOWN
from mmn.evaluation.logits import top_classes
from mmn.evaluation.predictions import probabilities
from mmn.evaluation.row_file import write_rows
from mmn.evaluation.scores import Scores

PLACES = 5


COLUMNS = ["name", "place", "class", "index", "probability"]

NONE_OF_THESE = "none of these"
"""The class of a clip whose likeliest class is too unlikely; its index is ``UNKNOWN``."""


class Guess(NamedTuple):
    """One of a clip's most likely classes; place 1 is the most likely, ``probability`` 0–1, None if none is known."""

    name: str
    place: int
    class_name: str
    class_index: int
    probability: float | None

    def as_row(self) -> dict[str, Any]:
        """What a table says of it, in ``COLUMNS``."""
        probability = None if self.probability is None else round(self.probability, 6)
        return dict(zip(COLUMNS, (*self[:-1], probability), strict=True))


def likeliest(scores: Scores, places: int = PLACES, threshold: float = 0.0) -> list[Guess]:
    """The most likely classes of every clip; the lower index wins a tie.

    Where none reaches the threshold, ``NONE_OF_THESE`` has the first place and the classes follow.
    """
    chances = probabilities(scores)
    best = top_classes(torch.from_numpy(scores.logits), places).tolist()
    guesses = []
    for name, classes, own in zip(scores.names, best, chances, strict=True):
        found = [(scores.classes.names[k], k, float(own[k])) for k in classes]
        unsure = own.max() < threshold
        ranked = [(NONE_OF_THESE, UNKNOWN, None), *found] if unsure else found
        guesses += [Guess(name, place, *guess) for place, guess in enumerate(ranked, start=1)]
    return guesses


def calibrated(scores: Scores) -> Scores:
    """The scores over the temperature that suited the val split; for streams that have only their own, over the mean.

    Scores of which no temperature is recorded, such as those of other projects, count as calibrated.
    """
    record = scores.source.record
    streams, weights = (None, None) if record.get("temperature") else (record.get("streams"), record.get("weights"))
    temperatures = [float(one.get("temperature") or 1.0) for one in streams or [record]]
    temperature = np.average(temperatures, weights=weights or None)
    return replace(scores, logits=scores.logits / np.float32(temperature))


def write_probabilities(path: Path, scores: Scores) -> None:
    """Write them as CSV with the columns ``name,place,class,index,probability``."""
    write_rows(path, COLUMNS, [guess.as_row() for guess in likeliest(scores)])
