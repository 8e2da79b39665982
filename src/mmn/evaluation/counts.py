"""The metrics as functions of counts, for many sets of counts at once: used by intervals and tests."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import Classes


class ClassCounts(NamedTuple):
    """Clips of each class, clips predicted as it, and those that are both, each ``(..., K)``."""

    true: NDArray[np.float64]
    taken: NDArray[np.float64]
    hits: NDArray[np.float64]


def f1_macro(counts: ClassCounts, present: bool = False) -> NDArray[np.float64]:
    """Mean F1 ``(...)``, 0–1, over the classes that were true or predicted at least once.

    Args:
        counts: of the clips.
        present: average over the classes that were true at least once instead.
    """
    total = counts.true + counts.taken
    there = (counts.true if present else total) > 0
    f1 = np.where(there, 2 * counts.hits / np.maximum(total, 1e-12), 0.0)
    return f1.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)


def figures_of(actions: ClassCounts, bodies: ClassCounts | None, among_five: Any) -> dict[str, NDArray[np.float64]]:
    """The figures of ``action_figures`` in percent, and the macro metrics over the classes present.

    Args:
        actions: counts of the classes.
        bodies: counts of their groups, if any.
        among_five: clips ``(...)`` whose class was among the best five.
    """
    clips = actions.true.sum(axis=-1)
    result = {
        "top1": actions.hits.sum(axis=-1) / clips,
        "top5": among_five / clips,
        "action_f1_macro": f1_macro(actions),
        "action_f1_micro": actions.hits.sum(axis=-1) / clips,
        "action_f1_macro_present": f1_macro(actions, present=True),
    }
    if bodies is not None:
        result["body_f1_macro"] = f1_macro(bodies)
        result["body_f1_micro"] = bodies.hits.sum(axis=-1) / clips
        four = ("action_f1_macro", "action_f1_micro", "body_f1_macro", "body_f1_micro")
        result["f1_mean"] = sum(result[name] for name in four) / 4
        result["body_f1_macro_present"] = f1_macro(bodies, present=True)
    return {name: 100.0 * value for name, value in result.items()}


def counts_by_clip(
    labels: NDArray[np.int64], taken: NDArray[np.int64], classes: Classes
) -> tuple[ClassCounts, ClassCounts | None]:
    """Indicators per clip ``(N, K)``: its class, its predicted class, and their agreement."""
    actions = _one_hot(labels, taken, len(classes.names))
    if not classes.group_of_class:
        return actions, None
    group = np.asarray(classes.group_of_class)
    return actions, _one_hot(group[labels], group[taken], len(classes.group_names))


def _one_hot(labels: NDArray[np.int64], taken: NDArray[np.int64], k: int) -> ClassCounts:
    eye = np.eye(k)
    return ClassCounts(eye[labels], eye[taken], eye[labels] * (labels == taken)[:, None])
