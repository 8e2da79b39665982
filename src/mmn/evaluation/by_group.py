"""How a result differs between the groups that clips come from: subjects, recordings, centres."""

import statistics
from typing import Any

import numpy as np

from mmn.evaluation.intervals import observed, t_interval
from mmn.evaluation.predictions import chosen, labelled
from mmn.evaluation.scores import Scores


def by_group(scores: Scores, metric: str = "top1") -> dict[str, Any]:
    """A metric of every group with a labelled clip, groups weighted equally; empty if clips have no groups.

    Returns:
        ``groups``: their number; ``mean`` and ``interval_95`` over groups (Student's t; None for a single group);
        ``worst``: the lowest group; ``each``: rows of ``name``, ``clips`` and ``value``, lowest first.
    """
    scores = labelled(scores)
    if scores.groups is None or not scores.names:
        return {}
    names = np.array(scores.groups)
    rows: list[dict[str, Any]] = []
    for name in sorted(set(scores.groups)):
        own = np.flatnonzero(names == name)
        rows.append({"name": name, "clips": len(own), "value": observed(chosen(scores, own))[metric]})
    rows.sort(key=lambda row: (row["value"], row["name"]))
    values = [row["value"] for row in rows]
    interval = t_interval(values)
    return {
        "metric": metric,
        "groups": len(rows),
        "mean": statistics.mean(values),
        "interval_95": interval and [max(interval[0], 0.0), min(interval[1], 100.0)],
        "worst": rows[0],
        "each": rows,
    }
