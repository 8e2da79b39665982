"""Metrics of ordinal classes (grades): how far off a prediction is."""

import numpy as np

from mmn.evaluation.predictions import labelled, predictions
from mmn.evaluation.scores import Scores


def grade_metrics(scores: Scores) -> dict[str, float]:
    """Metrics of the labelled clips; empty if the classes are not grades.

    Returns:
        ``quadratic_kappa``: Cohen's kappa with quadratic weights, 1 for every clip right and 0 for chance;
        ``mean_absolute_error``: in grades; ``within_one``: percent of clips at most one grade off.
    """
    scores = labelled(scores)
    if not scores.classes.ordinal or not scores.names:
        return {}
    from sklearn.metrics import cohen_kappa_score

    predicted, k = predictions(scores), len(scores.classes.names)
    off = np.abs(predicted - scores.labels)
    same = len(np.unique(np.concatenate([predicted, scores.labels]))) == 1  # kappa is undefined for one grade
    kappa = 0.0 if same else cohen_kappa_score(scores.labels, predicted, weights="quadratic", labels=np.arange(k))
    return {
        "quadratic_kappa": float(kappa),
        "mean_absolute_error": float(off.mean()),
        "within_one": float(100 * (off <= 1).mean()),
    }
