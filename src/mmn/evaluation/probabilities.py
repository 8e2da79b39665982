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
from mmn.inference.temperature import mean_temperature

PLACES = 5


COLUMNS = ["name", "place", "class", "index", "probability"]

NONE_OF_THESE = "none of these"
"""The class of a clip without a likely class; its index is ``UNKNOWN``."""


class Guess(NamedTuple):
    """One of a clip's most likely classes; place 1 is the most likely, ``probability`` is 0–1 or None if unknown."""

    name: str
    place: int
    class_name: str
    class_index: int
    probability: float | None

    def as_row(self) -> dict[str, Any]:
        """The guess as a table row with ``COLUMNS``."""
        probability = None if self.probability is None else round(self.probability, 6)
        return dict(zip(COLUMNS, (*self[:-1], probability), strict=True))


def likeliest(scores: Scores, places: int = PLACES, threshold: float = 0.0) -> list[Guess]:
    """The most likely classes of every clip; the lower index wins a tie.

    If none reaches the threshold, ``NONE_OF_THESE`` takes the first place, before the classes.
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
    """Divide scores by the temperature fitted on the val split; a sum of streams without one, by the mean of theirs.

    Scores of other projects count with 1, networks without a recorded temperature do not count; without any, it is 1.
    """
    record = scores.source.record
    if record.get("temperature") or record.get("fusion"):
        return replace(scores, logits=scores.logits / np.float32(record.get("temperature") or 1.0))
    streams, weights = record.get("streams") or [record], record.get("weights") or None
    temperatures = [one.get("temperature") if one else 1.0 for one in streams]
    return replace(scores, logits=scores.logits / np.float32(mean_temperature(temperatures, weights)))


def write_probabilities(path: Path, scores: Scores) -> None:
    """Write the most likely classes as CSV with the columns ``name,place,class,index,probability``."""
    write_rows(path, COLUMNS, [guess.as_row() for guess in likeliest(scores)])
