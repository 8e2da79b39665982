"""Random subsets of the training clips; with the same seed, a larger one contains a smaller one."""

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.selection import take


def draw(
    clips: Clips,
    num_classes: int,
    *,
    fraction: float | None,
    per_class: int | None,
    tail: float,
    capped: tuple[int, float] | None,
    seed: int,
) -> Clips:
    """A subset of the training clips, in their original order.

    Args:
        clips: the training split.
        num_classes: K.
        fraction: share of each class to keep, at least one clip.
        per_class: maximum number of clips per class.
        tail: share of ``per_class`` for the last class; it falls exponentially from the first one.
        capped: a class, and its maximum size relative to the largest other class.
        seed: seed of the draw.
    """
    counts = np.bincount(clips.labels[clips.labelled], minlength=num_classes)
    limits = counts.copy()
    if capped is not None:
        index, ratio = capped
        limits[index] = min(counts[index], max(1, int(ratio * np.delete(counts, index).max(initial=0))))
    if fraction is not None:
        limits = np.where(limits > 0, np.maximum(1, np.rint(limits * fraction).astype(int)), 0)
    if per_class is not None:
        most = per_class * tail ** np.linspace(0, 1, num_classes)
        limits = np.minimum(limits, np.maximum(1, np.rint(most).astype(int)))
    if (limits == counts).all():
        return clips
    rank = _ranks(clips.labels, num_classes, seed)
    return take(clips, np.flatnonzero((clips.labels < 0) | (rank < limits[np.maximum(clips.labels, 0)])))


def _ranks(labels: NDArray[np.int64], num_classes: int, seed: int) -> NDArray[np.int64]:
    """Each clip's rank ``(N,)`` in a random order of its class, which depends only on the seed."""
    rank = np.zeros(len(labels), np.int64)
    for index in range(num_classes):
        own = np.flatnonzero(labels == index)
        rank[own] = np.random.default_rng([seed, index]).permutation(len(own))
    return rank
