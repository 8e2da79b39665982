"""The MA-52 challenge file: the five best actions and body groups of each clip."""

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


def header(actions: int, bodies: int) -> list[str]:
    """``vid``, then one column per ranked action and body group."""
    counts = {"action": actions, "body": bodies}
    return ["vid", *(f"{kind}_pred_{i}" for kind, count in counts.items() for i in range(1, count + 1))]


def video(name: str) -> str:
    """A clip's name in the challenge file."""
    return cell(f"{name.removesuffix('.mp4')}.mp4")


def prediction_rows(scores: Scores, groups: Scores | None = None) -> list[list[str]]:
    """Header and one row per clip: ``vid, action_pred_1…5`` and, if there are groups, ``body_pred_1…5``.

    Args:
        scores: of the actions.
        groups: scores of the groups to rank; None for the group of each ranked action.
    """
    of_action = scores.classes.group_of_class
    best = _best(scores)
    if groups is None:
        bodies = [[of_action[action] for action in actions] if of_action else [] for actions in best]
    else:
        bodies = _best(groups)
    rows = [header(len(best[0]), len(bodies[0]))]
    for name, actions, own in zip(scores.names, best, bodies, strict=True):
        rows.append([video(name), *map(str, actions), *map(str, own)])
    return rows


def _best(scores: Scores) -> list[list[int]]:
    return top_classes(torch.from_numpy(scores.logits), PLACES).tolist()


def write_predictions(folder: Path, scores: Scores, groups: Scores | None = None) -> None:
    """Write ``prediction.csv`` and the same file in ``prediction.zip``; see ``prediction_rows``."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(prediction_rows(scores, groups))
    with replacing(folder / "prediction.csv") as part:
        part.write_text(text.getvalue(), encoding="utf-8", newline="")
    with replacing(folder / "prediction.zip") as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        # A fixed date, so that equal predictions give equal files.
        archive.writestr(
            zipfile.ZipInfo("prediction.csv", (1980, 1, 1, 0, 0, 0)), text.getvalue(), zipfile.ZIP_DEFLATED
        )
