"""Figures of classes that are grades, from least to most: how far off, not only whether."""

import numpy as np

from mmn.evaluation.predictions import labelled, predictions
from mmn.evaluation.scores import Scores


def grade_figures(scores: Scores) -> dict[str, float]:
    """Of the labelled clips; empty where the classes are no grades.

    Returns:
        ``quadratic_kappa``: Cohen's kappa with quadratic weights, 1 for every clip right and 0 for chance;
        ``mean_absolute_error``: in grades; ``within_one``: percent of the clips at most a grade off.
    """
    scores = labelled(scores)
    if not scores.classes.ordinal or not scores.names:
        return {}
    from sklearn.metrics import cohen_kappa_score

    predicted, k = predictions(scores), len(scores.classes.names)
    off = np.abs(predicted - scores.labels)
    same = len(np.unique(np.concatenate([predicted, scores.labels]))) == 1  # kappa of one grade is not defined
    kappa = 0.0 if same else cohen_kappa_score(scores.labels, predicted, weights="quadratic", labels=np.arange(k))
    return {
        "quadratic_kappa": float(kappa),
        "mean_absolute_error": float(off.mean()),
        "within_one": float(100 * (off <= 1).mean()),
    }
