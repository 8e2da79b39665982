"""Calibration of probabilities, and temperature scaling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.evaluation.logits import softmax
from mmn.evaluation.predictions import predictions, probabilities
from mmn.evaluation.scores import Scores

BINS = 15
_SETS = 1000
_SMALLEST = 1e-12


def calibration(scores: Scores, bins: int = BINS, seed: int = 0) -> dict[str, Any]:
    """Calibration of the predicted class's probability, and scores of all probabilities.

    Even a perfectly calibrated network has an expected calibration error above zero, larger for fewer
    clips; ``ece_expected`` is that of a network whose predictions are right with exactly these probabilities.

    Returns:
        ``ece``: expected calibration error in percent (Guo et al., ICML 2017), equal bins; ``ece_expected`` and
        ``ece_expected_high``: mean and 95th percentile for a calibrated network; ``nll`` in nats and
        ``brier`` (0 to 2); ``bins``: clips, mean confidence and accuracy of each bin that has clips, and ``low`` and
        ``high``, the range of a calibrated network's accuracy in 95 of 100 cases, all in percent.
    """
    chances = probabilities(scores)
    confidence, right = chances.max(axis=1), predictions(scores) == scores.labels
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    there, index = np.unique(which, return_inverse=True)
    clips = np.bincount(index)
    sure = np.bincount(index, weights=confidence) / clips
    accuracy = np.bincount(index, weights=right) / clips
    drawn = _accuracies(confidence, index, clips, seed)
    errors = (np.abs(drawn - sure) * clips).sum(axis=1) / clips.sum()
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    own = chances[np.arange(len(right)), scores.labels]
    truth = np.eye(chances.shape[1])[scores.labels]
    return {
        "ece": float(100 * (np.abs(accuracy - sure) * clips).sum() / clips.sum()),
        "ece_expected": float(100 * errors.mean()),
        "ece_expected_high": float(100 * np.percentile(errors, 95)),
        "nll": float(-np.log(np.maximum(own, _SMALLEST)).mean()),
        "brier": float(((chances - truth) ** 2).sum(axis=1).mean()),
        "bins": [
            {
                "clips": int(clips[i]),
                "confidence": float(100 * sure[i]),
                "accuracy": float(100 * accuracy[i]),
                "low": float(100 * low[i]),
                "high": float(100 * high[i]),
            }
            for i in range(len(there))
        ],
    }


def _accuracies(
    confidence: NDArray[np.float64], index: NDArray[np.int64], clips: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Simulated accuracy of each bin ``(sets, bins)``: every clip is right with the probability of its confidence."""
    rng = np.random.default_rng(seed)
    inside = np.eye(len(clips))[index]
    return np.stack([(rng.uniform(size=len(confidence)) < confidence) @ inside for _ in range(_SETS)]) / clips


def fit_temperature(scores: Scores) -> float:
    """The temperature that minimises cross entropy (Guo et al., ICML 2017); Top-1 is unchanged.

    Fit it on clips that were not used in training, such as val. It is limited to 0.05–20, and 1 if no clip is labelled.
    """
    known = scores.labels >= 0
    return temperature_of(scores.logits[known].astype(np.float64), scores.labels[known]) if known.any() else 1.0


def temperature_of(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """``fit_temperature`` for ``logits (N, K)`` and ``labels (N,)``."""
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        own = softmax(logits / np.exp(log_temperature))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(own, _SMALLEST)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
