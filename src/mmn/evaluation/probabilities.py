"""What a network makes of each clip, in words: its likeliest classes and their probabilities."""

import csv
from pathlib import Path
from typing import NamedTuple

import torch

from mmn.evaluation.figures import top_classes
from mmn.evaluation.predictions import probabilities
from mmn.evaluation.scores import Scores
from mmn.files import replacing
from mmn.text import cell

PLACES = 5


class Guess(NamedTuple):
    """One of a clip's likeliest classes; place 1 is the likeliest, ``probability`` 0–1."""

    name: str
    place: int
    class_name: str
    class_index: int
    probability: float


def likeliest(scores: Scores, places: int = PLACES) -> list[Guess]:
    """The likeliest classes of every clip, clip by clip, the lower index among equals."""
    chances = probabilities(scores)
    best = top_classes(torch.from_numpy(scores.logits), places).tolist()
    return [
        Guess(name, place, scores.classes.names[k], k, float(chances[i, k]))
        for i, (name, classes) in enumerate(zip(scores.names, best, strict=True))
        for place, k in enumerate(classes, start=1)
    ]


def write_probabilities(path: Path, scores: Scores) -> None:
    """Write them as CSV with the columns ``name,place,class,index,probability``."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["name", "place", "class", "index", "probability"])
        for guess in likeliest(scores):
            rows.writerow(
                [cell(guess.name), guess.place, cell(guess.class_name), guess.class_index, f"{guess.probability:.6f}"]
            )
