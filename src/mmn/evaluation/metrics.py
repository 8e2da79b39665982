"""The metrics as functions of counts, for one or many sets of counts at once."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import Classes


class ClassCounts(NamedTuple):
    """Clips, predictions and correct predictions of each class, each ``(..., K)``."""

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    hits: NDArray[np.float64]


def f1_macro(counts: ClassCounts, present: bool = False) -> NDArray[np.float64]:
    """Mean F1 ``(...)``, 0–1, over the classes that were true or predicted at least once; NaN without clips.

    As scikit-learn computes it from the two lists of labels: a class seen in neither is left out.

    Args:
        counts: per class.
        present: average over the classes that were true at least once instead.
    """
    total = counts.true + counts.predicted
    there = (counts.true if present else total) > 0
    f1 = np.where(there, 2 * counts.hits / np.maximum(total, 1), 0.0)
    with np.errstate(invalid="ignore"):
        return f1.sum(axis=-1) / there.sum(axis=-1)


def metrics_of(
    actions: ClassCounts, bodies: ClassCounts | None, among_five: Any, present: bool = False
) -> dict[str, NDArray[np.float64]]:
    """The standard metrics ``(...)``, in percent; NaN without clips.

    Micro F1 of single-label classes is accuracy. ``f1_mean`` is the mean of the four F1 of actions and body groups,
    and, like the body F1, needs groups.

    Args:
        actions: counts of the classes.
        bodies: counts of their groups, if any.
        among_five: clips ``(...)`` whose class was among the best five.
        present: see ``f1_macro``.
    """
    clips = actions.true.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        result = {
            "top1": actions.hits.sum(axis=-1) / clips,
            "top5": among_five / clips,
            "action_f1_macro": f1_macro(actions, present),
            "action_f1_micro": actions.hits.sum(axis=-1) / clips,
        }
        if bodies is not None:
            result["body_f1_macro"] = f1_macro(bodies, present)
            result["body_f1_micro"] = bodies.hits.sum(axis=-1) / clips
            four = ("action_f1_macro", "action_f1_micro", "body_f1_macro", "body_f1_micro")
            result["f1_mean"] = sum(result[name] for name in four) / 4
    return {name: 100.0 * value for name, value in result.items()}


def counts_of(confusion: NDArray[np.int64], classes: Classes) -> tuple[ClassCounts, ClassCounts | None]:
    """Counts ``(K,)`` of the classes of ``confusion (K, K)``, rows true, columns predicted, and of their groups."""
    actions = _of_confusion(confusion)
    if not classes.group_of_class:
        return actions, None
    inside = np.eye(len(classes.group_names), dtype=np.int64)[classes.group_of_class]
    return actions, _of_confusion(inside.T @ confusion @ inside)


def _of_confusion(confusion: NDArray[np.int64]) -> ClassCounts:
    return ClassCounts(
        *(part.astype(np.float64) for part in (confusion.sum(1), confusion.sum(0), confusion.diagonal()))
    )


def counts_by_clip(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: Classes
) -> tuple[ClassCounts, ClassCounts | None]:
    """Indicators per clip ``(N, K)``: its class, its predicted class, and their agreement."""
    actions = _one_hot(labels, predicted, len(classes.names))
    if not classes.group_of_class:
        return actions, None
    group = np.asarray(classes.group_of_class)
    return actions, _one_hot(group[labels], group[predicted], len(classes.group_names))


def _one_hot(labels: NDArray[np.int64], predicted: NDArray[np.int64], k: int) -> ClassCounts:
    eye = np.eye(k)
    return ClassCounts(eye[labels], eye[predicted], eye[labels] * (labels == predicted)[:, None])
