"""Detailed analysis behind the headline metrics: per class, agreement beyond chance, coverage, and caveats."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.evaluation.by_group import by_group
from mmn.evaluation.calibration import calibration
from mmn.evaluation.grades import grade_metrics
from mmn.evaluation.intervals import DRAWS, intervals, observed, share_interval
from mmn.evaluation.predictions import labelled, predictions, probabilities
from mmn.evaluation.scores import Scores
from mmn.text import counted

FEW_CLIPS = 10
"""Clips of a class; with fewer, macro metrics are unreliable."""


def analyse(scores: Scores, draws: int = DRAWS) -> dict[str, Any]:
    """The analysis of the labelled clips as plain values for ``analysis.json``; empty if none is labelled."""
    scores = labelled(scores)
    if not scores.names:
        return {}
    classes = per_class(scores)
    calibrated = calibration(scores)
    return {
        "intervals_95": intervals(scores, draws),
        "drawn_by": "group" if scores.groups is not None else "clip",
        "classes_present": classes_present(scores),
        "mean_class_accuracy": mean_class_accuracy(classes),
        **agreement(scores),
        **grade_metrics(scores),
        "baselines": baselines(scores),
        **{name: value for name, value in calibrated.items() if name != "bins"},
        "risk_coverage": risk_coverage(scores),
        "by_group": by_group(scores),
        "classes": classes,
        "notes": notes(scores),
    }


def per_class(scores: Scores) -> list[dict[str, Any]]:
    """Precision, recall (sensitivity), specificity and F1 in percent, clips (support) and predictions of each class.

    As in scikit-learn with ``zero_division=0``: a class that is never predicted has precision 0, an absent one
    recall 0. The ``f1_macro`` metrics leave out classes that are neither; here they are listed with zeros.
    ``precision_95`` and ``recall_95`` are intervals that treat clips as independent.
    """
    k = len(scores.classes.names)
    predicted = predictions(scores)
    support, guessed = np.bincount(scores.labels, minlength=k), np.bincount(predicted, minlength=k)
    hits = np.bincount(scores.labels[scores.labels == predicted], minlength=k)

    def share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
        return 100.0 * part / np.maximum(whole, 1)

    precision, recall, f1 = share(hits, guessed), share(hits, support), share(2 * hits, support + guessed)
    specificity = share(len(predicted) - support - (guessed - hits), len(predicted) - support)
    return [
        {
            "name": name,
            "clips": int(support[i]),
            "predicted": int(guessed[i]),
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "specificity": float(specificity[i]),
            "f1": float(f1[i]),
            "precision_95": share_interval(precision[i] / 100, int(guessed[i])),
            "recall_95": share_interval(recall[i] / 100, int(support[i])),
            "specificity_95": share_interval(specificity[i] / 100, int(len(predicted) - support[i])),
        }
        for i, name in enumerate(scores.classes.names)
    ]


def mean_class_accuracy(classes: list[dict[str, Any]]) -> float:
    """Mean recall over the classes present, in percent (scikit-learn's balanced accuracy)."""
    return float(np.mean([row["recall"] for row in classes if row["clips"]]))


def classes_present(scores: Scores) -> dict[str, float]:
    """The number of classes present, and the macro metrics over these alone.

    A single clip predicted as an absent class adds a class with F1 0 to the challenge's macro metrics, with the
    weight of a whole class; over the classes present it is one error of its own class.
    """
    values = observed(scores, present=True)
    result = {"classes": float(len(np.unique(scores.labels)))}
    return result | {name: value for name, value in values.items() if name.endswith(("f1_macro", "f1_mean"))}


def agreement(scores: Scores) -> dict[str, float]:
    """Cohen's kappa and Matthews' correlation coefficient: 0 for chance, 1 if every clip is right."""
    from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

    predicted = predictions(scores)
    if len(np.unique(np.concatenate([scores.labels, predicted]))) < 2:  # undefined for one class
        return {"kappa": 0.0, "mcc": 0.0}
    return {
        "kappa": float(cohen_kappa_score(scores.labels, predicted)),
        "mcc": float(matthews_corrcoef(scores.labels, predicted)),
    }


def baselines(scores: Scores) -> dict[str, dict[str, float]]:
    """Top-1 and Top-5 in percent of guessing, and of always predicting these clips' most frequent classes."""
    k = len(scores.classes.names)
    frequent = np.sort(np.bincount(scores.labels, minlength=k))[::-1] / len(scores.labels)
    return {
        "chance": {"top1": 100.0 / k, "top5": 100.0 * min(5, k) / k},
        "majority": {"top1": float(100 * frequent[0]), "top5": float(100 * frequent[:5].sum())},
    }


def risk_coverage(scores: Scores, points: int = 20) -> dict[str, Any]:
    """Error rate in percent among the most confident share of clips, and its mean over all shares (AURC).

    Returns:
        ``coverage`` and ``risk`` in percent at a number of shares, and ``aurc``.
    """
    confidence = probabilities(scores).max(axis=1)
    wrong = (predictions(scores) != scores.labels)[np.argsort(-confidence, kind="stable")]
    risk = 100 * np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    places = np.unique(np.ceil(np.linspace(1 / points, 1, points) * len(wrong)).astype(int)) - 1
    return {
        "coverage": (100 * (places + 1) / len(wrong)).tolist(),
        "risk": risk[places].tolist(),
        "aurc": float(risk.mean()),
    }


def notes(scores: Scores) -> list[str]:
    """Caveats about the metrics, one sentence each."""
    names = scores.classes.names
    counts = np.bincount(scores.labels, minlength=len(names))
    found = []
    few = [name for name, count in zip(names, counts, strict=True) if 0 < count < FEW_CLIPS]
    if few:
        found.append(
            f"{counted(len(few), 'class')} {_have(len(few))} fewer than {FEW_CLIPS} clips (such as {few[0]}): macro "
            "metrics are unreliable."
        )
    absent = int((counts == 0).sum())
    if absent:
        values, present = observed(scores), classes_present(scores)
        found.append(f"{absent} of the {len(names)} classes {_have(absent)} no clips here.")
        gap = present["action_f1_macro"] - values["action_f1_macro"]
        if gap > 0.005:
            found.append(
                f"Clips predicted as absent classes lower action F1 macro by {gap:.2f} points; over the "
                f"classes present it is {present['action_f1_macro']:.2f}."
            )
    if scores.groups is not None:
        found.append(
            f"Clips come from {len(set(scores.groups))} groups (subjects or recordings), which intervals resample as "
            "a whole."
        )
    return found


def _have(number: int) -> str:
    return "has" if number == 1 else "have"
