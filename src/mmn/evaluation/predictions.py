"""Predictions from scores: the predicted class and the probabilities of each clip."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.evaluation.logits import softmax, top_classes
from mmn.evaluation.scores import Scores


def labelled(scores: Scores) -> Scores:
    """The labelled clips."""
    return chosen(scores, np.flatnonzero(scores.labels >= 0))


def chosen(scores: Scores, clips: NDArray[np.int64]) -> Scores:
    """The clips at these indices, in this order."""
    groups = None if scores.groups is None else [scores.groups[i] for i in clips]
    names = [scores.names[i] for i in clips]
    return replace(scores, names=names, labels=scores.labels[clips], logits=scores.logits[clips], groups=groups)


def predictions(scores: Scores) -> NDArray[np.int64]:
    """The predicted class of each clip ``(N,)``; the lower index wins a tie."""
    return top_classes(torch.from_numpy(scores.logits), 1)[:, 0].numpy()


def probabilities(scores: Scores) -> NDArray[np.float64]:
    """Softmax of the logits ``(N, K)``."""
    return softmax(scores.logits)
