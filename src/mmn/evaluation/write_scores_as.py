"""Export of scores to formats of other projects."""

import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmn.evaluation.scores import Scores
from mmn.files import replacing


def write_scores_as(path: Path, scores: Scores, form: str) -> None:
    """Write the logits of every clip.

    Args:
        path: the file.
        scores: of a split.
        form: ``json``: rows in the order of the clips, as in the official test script; ``pkl``: name → row, as in
            ST-GCN and CTR-GCN; ``npz``: ``names``, ``scores``, ``labels``, ``classes``; ``csv``: a row per clip.
    """
    with replacing(path) as part:
        FORMS[form](part, scores)


def _json(path: Path, scores: Scores) -> None:
    path.write_text(json.dumps([[float(value) for value in row] for row in scores.logits]), encoding="utf-8")


def _pickle(path: Path, scores: Scores) -> None:
    path.write_bytes(pickle.dumps(dict(zip(scores.names, scores.logits, strict=True)), protocol=4))


def _npz(path: Path, scores: Scores) -> None:
    with path.open("wb") as file:
        np.savez_compressed(
            file, names=np.array(scores.names), scores=scores.logits, labels=scores.labels,
            classes=np.array(scores.classes.names),
        )  # fmt: skip


def _csv(path: Path, scores: Scores) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["name", *scores.classes.names])
        for name, row in zip(scores.names, scores.logits, strict=True):
            lines.writerow([name, *(f"{value:.9g}" for value in row)])


FORMS: dict[str, Callable[[Path, Scores], None]] = {"json": _json, "pkl": _pickle, "csv": _csv, "npz": _npz}
"""Format → its writer."""
