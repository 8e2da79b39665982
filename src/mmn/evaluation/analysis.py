"""What stands behind the headline figures: each class, confidence, and how far a figure may be off."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.evaluation.figures import action_figures, top_classes
from mmn.evaluation.scores import Scores


def analyse(scores: Scores, resamples: int = 1000) -> dict[str, Any]:
    """Everything below, of the labelled clips, as plain values for ``analysis.json``; empty where none is labelled."""
    scores = labelled(scores)
    if not scores.names:
        return {}
    classes = per_class(scores)
    return {
        "intervals_95": intervals(scores, resamples),
        "mean_class_accuracy": mean_class_accuracy(classes),
        "ece": calibration(scores)["ece"],
        "classes": classes,
    }


def labelled(scores: Scores) -> Scores:
    """The clips whose class is known."""
    known = scores.labels >= 0
    chosen = np.flatnonzero(known)
    groups = None if scores.groups is None else [scores.groups[i] for i in chosen]
    names = [scores.names[i] for i in chosen]
    return replace(scores, names=names, labels=scores.labels[known], logits=scores.logits[known], groups=groups)


def predictions(scores: Scores) -> NDArray[np.int64]:
    """The best class of each clip ``(N,)``, the lower index among equals."""
    return top_classes(torch.from_numpy(scores.logits), 1)[:, 0].numpy()


def probabilities(scores: Scores) -> NDArray[np.float64]:
    """Softmax of the logits ``(N, K)``."""
    return softmax(scores.logits)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in double precision."""
    return torch.from_numpy(logits).double().softmax(dim=-1).numpy()


def per_class(scores: Scores) -> list[dict[str, Any]]:
    """Precision, recall and F1 in percent, and clips (support) and predictions of each class.

    As scikit-learn with ``zero_division=0``: a class that is never predicted has precision 0, one that is not there
    recall 0. ``f1_macro`` of the figures leaves out classes that are neither; here they are listed with zeros.
    """
    k = len(scores.classes.names)
    predicted = predictions(scores)
    support, taken = np.bincount(scores.labels, minlength=k), np.bincount(predicted, minlength=k)
    hits = np.bincount(scores.labels[scores.labels == predicted], minlength=k)

    def share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
        return 100.0 * part / np.maximum(whole, 1)

    precision, recall, f1 = share(hits, taken), share(hits, support), share(2 * hits, support + taken)
    return [
        {
            "name": name,
            "clips": int(support[i]),
            "predicted": int(taken[i]),
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
        }
        for i, name in enumerate(scores.classes.names)
    ]


def mean_class_accuracy(classes: list[dict[str, Any]]) -> float:
    """Mean recall over the classes that are there, in percent (scikit-learn's balanced accuracy)."""
    return float(np.mean([row["recall"] for row in classes if row["clips"]]))


def calibration(scores: Scores, bins: int = 15) -> dict[str, Any]:
    """Expected calibration error in percent (Guo et al., ICML 2017), equal bins of the best class's probability.

    Returns:
        ``ece`` and ``bins``: clips, mean confidence and accuracy in percent of each bin that has clips.
    """
    chances = probabilities(scores)
    confidence, right = chances.max(axis=1), predictions(scores) == scores.labels
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows = []
    for number in range(bins):
        inside = which == number
        if inside.any():
            rows.append(
                {
                    "clips": int(inside.sum()),
                    "confidence": float(100 * confidence[inside].mean()),
                    "accuracy": float(100 * right[inside].mean()),
                }
            )
    gap = sum(row["clips"] * abs(row["confidence"] - row["accuracy"]) for row in rows)
    return {"ece": float(gap / len(right)), "bins": rows}


def intervals(scores: Scores, resamples: int = 1000) -> dict[str, list[float]]:
    """95 % bootstrap intervals of the headline figures: percentiles 2.5 and 97.5 of what is ``resampled``."""
    return {name: percentiles(values) for name, values in resampled(scores, resamples).items()}


def percentiles(values: NDArray[np.float64]) -> list[float]:
    """The middle 95 %."""
    return [float(q) for q in np.percentile(values, [2.5, 97.5])]


def resampled(scores: Scores, resamples: int, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """The headline figures ``(resamples,)`` of clips drawn again with replacement, alike for as many clips."""
    rng = np.random.default_rng(seed)
    k, n = len(scores.classes.names), len(scores.names)
    best = top_classes(torch.from_numpy(scores.logits)).numpy()
    pair = scores.labels * k + best[:, 0]
    among_five = (best == scores.labels[:, None]).any(axis=1)
    groups = torch.tensor(scores.classes.group_of_class) if scores.classes.group_of_class else None
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        clips = rng.integers(0, n, n)
        confusion = torch.from_numpy(np.bincount(pair[clips], minlength=k * k).reshape(k, k))
        for name, value in action_figures(confusion, torch.tensor(among_five[clips].sum()), groups).items():
            drawn.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in drawn.items()}
