"""Detect clips of classes that a network was not trained on, by its confidence."""

import numpy as np

from mmn.evaluation.logits import softmax
from mmn.evaluation.predictions import labelled
from mmn.evaluation.scores import Scores


def confidence_percentiles(scores: Scores, temperature: float) -> list[float]:
    """Percentiles, from the 0th to the 100th, of the most likely class's probability on the labelled clips."""
    confidence = softmax(labelled(scores).logits / np.float32(temperature)).max(axis=1)
    return [float(value) for value in np.percentile(confidence, np.arange(101))]


def unknown_auroc(known: Scores, unknown: Scores) -> float:
    """The probability that the network is more confident of a clip of a known class than of one of an unknown class.

    Area under the ROC curve, 0–1; 0.5 is chance.

    Args:
        known: clips of classes the network was trained on.
        unknown: clips of other classes, scored by the same network.
    """
    from sklearn.metrics import roc_auc_score  # slow to import

    confidence = [softmax(scores.logits).max(axis=1) for scores in (known, unknown)]
    truth = np.repeat([1, 0], [len(one) for one in confidence])
    return float(roc_auc_score(truth, np.concatenate(confidence)))
