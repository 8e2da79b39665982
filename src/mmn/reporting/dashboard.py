"""Results in a Weights & Biases run beside its curves: provenance, classes, confusions, the worst clips."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import wandb
from lightning.pytorch.loggers import WandbLogger

from mmn.data.format.skeletons import SkeletonData
from mmn.evaluation.analysis import per_class
from mmn.evaluation.predictions import labelled, predictions, probabilities
from mmn.evaluation.scores import Scores
from mmn.reporting.animation import Shown, animate

log = logging.getLogger(__name__)


def log_results(logger: WandbLogger, scores: dict[str, Scores], data: SkeletonData, worst: int = 3) -> None:
    """Log the best epoch's results; a failure is logged and does not stop the run.

    Args:
        logger: the run.
        scores: by split, ``val`` before ``test``; the first is shown in detail.
        data: the data file's content.
        worst: number of worst clips to animate.
    """
    if not scores:
        return
    split, first = next(iter(scores.items()))
    try:
        _log_results(logger, split, first, data, worst)
    except Exception as error:  # a failed plot must not stop the run
        log.warning("the detailed results were not logged to W&B: %s", error)


def _log_results(logger: WandbLogger, split: str, scores: Scores, data: SkeletonData, worst: int) -> None:
    known = labelled(scores)
    names, predicted = known.classes.names, predictions(known)
    classes = per_class(known)
    columns: list[str | int] = list(classes[0])
    table = wandb.Table(columns, [list(row.values()) for row in classes])
    confusion = wandb.plot.confusion_matrix(y_true=known.labels.tolist(), preds=predicted.tolist(), class_names=names)
    run = logger.experiment
    run.log({f"{split}/classes": table, f"{split}/confusion": confusion})
    clips = data.splits[split]
    own = probabilities(known)[np.arange(len(predicted)), known.labels]
    with tempfile.TemporaryDirectory() as folder:
        for rank, place in enumerate(np.argsort(own)[:worst], start=1):
            name = known.names[place]
            title = f"{name}: {names[known.labels[place]]}, predicted as {names[predicted[place]]}"
            path = Path(folder) / f"{rank}.gif"
            animate([Shown(title, clips.clip(clips.names.index(name)))], data.layout, path)
            run.log({f"{split}/worst_{rank}": wandb.Video(str(path), caption=title, format="gif")})
