"""Visible points of detections, and distances between detections."""

import numpy as np
from numpy.typing import NDArray


def seen_points(
    points: NDArray[np.float32], scores: NDArray[np.float32] | None, min_score: float = 0.0
) -> NDArray[np.bool_]:
    """Mask of points that were found ``(D, P)``: finite, not −1 in all coordinates, and scored above ``min_score``.

    Without scores, exact zeros count as found here; ``missing.py`` decides on them.
    """
    finite, placed = np.isfinite(points).all(axis=2), np.any(points != -1, axis=2)
    found: NDArray[np.bool_] = finite & placed
    if scores is not None:
        sure = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0) > min_score
        return np.asarray(found & sure)
    return found


def sizes(points: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The diagonal ``(D,)`` of each detection's bounding box of visible points."""
    low = np.where(seen[..., None], points, np.inf).min(axis=1)
    high = np.where(seen[..., None], points, -np.inf).max(axis=1)
    extent = np.where(seen.any(axis=1, keepdims=True), high - low, 0.0)
    return np.maximum(np.linalg.norm(extent, axis=1), 1e-6)


def distances(
    a: NDArray[np.float32], seen_a: NDArray[np.bool_], b: NDArray[np.float32], seen_b: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean distance over points visible in both, for every pair of A and B ``(A, B)``; inf if there are none."""
    return paired_distances(a[:, None], seen_a[:, None], b[None], seen_b[None])


def paired_distances(
    a: NDArray[np.float32], seen_a: NDArray[np.bool_], b: NDArray[np.float32], seen_b: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """As ``distances``, for corresponding detections: ``(…, P, C)`` → ``(…)``."""
    both = seen_a & seen_b
    difference = np.where(both[..., None], a - b, 0.0)
    apart = np.sqrt(np.einsum("...c,...c->...", difference, difference))
    count = both.sum(axis=-1)
    return np.where(count > 0, apart.sum(axis=-1) / np.maximum(count, 1), np.inf)
