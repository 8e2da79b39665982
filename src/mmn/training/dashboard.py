"""What a Weights & Biases run shows beside curves: where it came from, each class, the confusions, the worst clips."""

import logging
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import wandb
from lightning.pytorch.loggers import WandbLogger

from mmn.data.skeletons import SkeletonData
from mmn.evaluation.scores import Scores
from mmn.reporting.animation import Shown, animate

log = logging.getLogger(__name__)


def provenance() -> dict[str, Any]:
    """Versions, and the commit of the code, where it is a git checkout."""
    from importlib.metadata import version

    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
        commit = result.stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        commit = None
    return {"mmn": version("mmn"), "torch": torch.__version__, "lightning": version("lightning"), "git_commit": commit}


def log_results(logger: WandbLogger, scores: dict[str, Scores], data: SkeletonData, worst: int = 3) -> None:
    """Log the best epoch's results; whatever goes wrong here is told and stops nothing.

    Args:
        logger: the run.
        scores: by split, ``val`` before ``test``; the first is shown in detail.
        data: where the clips are.
        worst: how many of the worst clips to animate.
    """
    if not scores:
        return
    split, first = next(iter(scores.items()))
    try:
        _log_results(logger, split, first, data, worst)
    except Exception as error:  # a picture is not worth a run
        log.warning("W&B was not given the results in detail: %s", error)


def _log_results(logger: WandbLogger, split: str, scores: Scores, data: SkeletonData, worst: int) -> None:
    known = scores.labels >= 0
    labels, logits = scores.labels[known], scores.logits[known]
    names, predicted = scores.classes.names, logits.argmax(axis=1)
    losses = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), reduction="none")
    run = logger.experiment
    columns: list[str | int] = ["class", "clips", "precision", "recall", "F1"]
    table = wandb.Table(columns, _per_class(labels, predicted, names))
    confusion = wandb.plot.confusion_matrix(y_true=labels.tolist(), preds=predicted.tolist(), class_names=names)
    run.log({f"{split}/classes": table, f"{split}/confusion": confusion})
    clips = data.splits[split]
    with tempfile.TemporaryDirectory() as folder:
        for rank, place in enumerate(np.argsort(-losses.numpy())[:worst]):
            index = int(np.flatnonzero(known)[place])
            title = f"{clips.names[index]}: {names[labels[place]]}, taken for {names[predicted[place]]}"
            path = Path(folder) / f"{rank}.gif"
            animate([Shown(title, clips.clip(index))], data.layout, path)
            run.log({f"{split}/worst_{rank + 1}": wandb.Video(str(path), caption=title, format="gif")})


def _per_class(labels: np.ndarray, predicted: np.ndarray, names: list[str]) -> list[list[Any]]:
    """Rows: class, clips, precision, recall and F1 in percent, 0 where nothing was predicted or there."""
    rows: list[list[Any]] = []
    for index, name in enumerate(names):
        hits = int(((labels == index) & (predicted == index)).sum())
        support, taken = int((labels == index).sum()), int((predicted == index).sum())
        precision, recall = 100 * hits / max(taken, 1), 100 * hits / max(support, 1)
        rows.append([name, support, precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)])
    return rows
