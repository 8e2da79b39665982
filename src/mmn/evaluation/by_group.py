"""How a result differs between the groups that clips come from: subjects, recordings, centres."""

from typing import Any

import numpy as np

from mmn.evaluation.intervals import exact_figures
from mmn.evaluation.predictions import chosen, labelled
from mmn.evaluation.scores import Scores


def by_group(scores: Scores, figure: str = "top1") -> dict[str, Any]:
    """A metric of every group with a labelled clip, groups weighted equally; empty if clips have no groups.

    Returns:
        ``groups``: their number; ``mean`` and ``interval_95`` over groups (Student's t; None for a single group);
        ``worst``: the lowest group; ``each``: rows of ``name``, ``clips`` and ``value``, lowest first.
    """
    scores = labelled(scores)
    if scores.groups is None or not scores.names:
        return {}
    names = np.array(scores.groups)
    rows = []
    for name in sorted(set(scores.groups)):
        own = np.flatnonzero(names == name)
        rows.append({"name": name, "clips": len(own), "value": exact_figures(chosen(scores, own))[figure]})
    rows.sort(key=lambda row: (row["value"], row["name"]))
    values = np.array([row["value"] for row in rows], np.float64)
    return {
        "figure": figure,
        "groups": len(rows),
        "mean": float(values.mean()),
        "interval_95": _interval(values),
        "worst": rows[0],
        "each": rows,
    }


def _interval(values: np.ndarray) -> list[float] | None:
    if len(values) < 2:
        return None
    from scipy.stats import t

    off = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [max(float(values.mean() - off), 0.0), min(float(values.mean() + off), 100.0)]
