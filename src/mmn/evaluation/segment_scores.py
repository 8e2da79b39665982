"""Metrics of segments in long recordings: mean average precision at several overlaps, and F1."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.evaluation.segments import Segment

OVERLAPS = tuple(tenth / 10 for tenth in range(1, 10))
"""Intersections over union from which a segment counts as found."""


def score_segments(predicted: Sequence[Segment], true: Sequence[Segment]) -> dict[str, Any]:
    """Average precision as defined in temporal action detection, 0–1.

    The predicted segments of a class, from all recordings, are matched in order of decreasing probability, each with
    the unmatched true segment of largest overlap. Average precision is the area under the precision–recall curve, with
    precision made non-increasing in recall.

    Args:
        predicted: with probabilities.
        true: the annotation; classes that it lacks are excluded from the mean.

    Returns:
        ``map``, the mean over ``OVERLAPS``; ``map@0.1`` … ``map@0.9``; ``f1@0.5`` over all segments; ``classes`` →
        average precision of each, the mean over ``OVERLAPS``; and the numbers of ``predicted`` and ``true`` segments.

    Raises:
        UserError: there are no true segments.
    """
    if not true:
        raise UserError("there are no true segments to score against; give a table that has some.")
    classes = sorted({segment.class_name for segment in true})
    hits = {
        name: np.array([_hits(_of(predicted, name), _of(true, name), overlap) for overlap in OVERLAPS])
        for name in sorted({segment.class_name for segment in predicted} | set(classes))
    }
    precisions = np.array([[_average_precision(h, len(_of(true, name))) for h in hits[name]] for name in classes])
    by_overlap = precisions.mean(axis=0)
    found = sum(int(h[OVERLAPS.index(0.5)].sum()) for h in hits.values())
    return {
        "map": float(by_overlap.mean()),
        **{f"map@{overlap}": float(value) for overlap, value in zip(OVERLAPS, by_overlap, strict=True)},
        "f1@0.5": 2 * found / (len(predicted) + len(true)),
        "classes": dict(zip(classes, precisions.mean(axis=1).tolist(), strict=True)),
        "predicted": len(predicted),
        "true": len(true),
    }


def _of(segments: Sequence[Segment], class_name: str) -> list[Segment]:
    """The segments of a class, most probable first."""
    return sorted((s for s in segments if s.class_name == class_name), key=lambda s: -s.probability)


def _hits(predicted: Sequence[Segment], true: Sequence[Segment], overlap: float) -> NDArray[np.bool_]:
    """Which predicted segments match a true one that no earlier prediction matched."""
    left = list(true)
    hits = np.zeros(len(predicted), np.bool_)
    for i, segment in enumerate(predicted):
        best = max(left, key=lambda other: _overlap(segment, other), default=None)
        if best is not None and _overlap(segment, best) >= overlap - 1e-9:
            hits[i] = True
            left.remove(best)
    return hits


def _overlap(a: Segment, b: Segment) -> float:
    """Intersection over union of two segments; 0 if they are in different recordings."""
    shared = min(a.end, b.end) - max(a.start, b.start)
    if a.name != b.name or shared <= 0:
        return 0.0
    return shared / (max(a.end, b.end) - min(a.start, b.start))


def _average_precision(hits: NDArray[np.bool_], true: int) -> float:
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[hits].sum() / true)
