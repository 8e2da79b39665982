"""The MA-52 challenge file: the five best actions of each clip and the body groups they belong to."""

import csv
import io
import zipfile
from pathlib import Path

import torch

from mmn.evaluation.logits import top_classes
from mmn.evaluation.scores import Scores
from mmn.files import replacing
from mmn.text import cell

PLACES = 5


def header(places: int, grouped: bool) -> list[str]:
    """``vid``, then the ranked actions and, if any, body groups."""
    kinds = ("action", "body") if grouped else ("action",)
    return ["vid", *(f"{kind}_pred_{i}" for kind in kinds for i in range(1, places + 1))]


def video(name: str) -> str:
    """A clip's name in the file."""
    return cell(f"{name.removesuffix('.mp4')}.mp4")


def prediction_rows(scores: Scores) -> list[list[str]]:
    """Header and one row per clip: ``vid, action_pred_1…5`` and, if there are groups, ``body_pred_1…5``."""
    groups = scores.classes.group_of_class
    best = top_classes(torch.from_numpy(scores.logits), PLACES).tolist()
    rows = [header(len(best[0]), bool(groups))]
    for name, actions in zip(scores.names, best, strict=True):
        bodies = [groups[action] for action in actions] if groups else []
        rows.append([video(name), *map(str, actions), *map(str, bodies)])
    return rows


def write_predictions(folder: Path, scores: Scores) -> None:
    """Write ``prediction.csv`` and the same file in ``prediction.zip``, ready to be submitted."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(prediction_rows(scores))
    with replacing(folder / "prediction.csv") as part:
        part.write_text(text.getvalue(), encoding="utf-8", newline="")
    with replacing(folder / "prediction.zip") as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        # A fixed date, so that equal predictions give equal files.
        archive.writestr(
            zipfile.ZipInfo("prediction.csv", (1980, 1, 1, 0, 0, 0)), text.getvalue(), zipfile.ZIP_DEFLATED
        )
