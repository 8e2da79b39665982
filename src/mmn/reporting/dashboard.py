"""What a Weights & Biases run shows beside curves: where it came from, each class, the confusions, the worst clips."""

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
            title = f"{name}: {names[known.labels[place]]}, taken for {names[predicted[place]]}"
            path = Path(folder) / f"{rank}.gif"
            animate([Shown(title, clips.clip(clips.names.index(name)))], data.layout, path)
            run.log({f"{split}/worst_{rank}": wandb.Video(str(path), caption=title, format="gif")})
