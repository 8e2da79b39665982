"""A layout made from a source's own joint names, with bones from the source or inferred from joint distances."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.sources.points import Estimator
from mmn.errors import UserError

_MOST_JOINTS = 1_000
_MOST_DISTANCES = 20_000_000


def own_estimator(names: Sequence[str], words: str) -> Estimator:
    """An estimator whose points have the source's own names.

    Raises:
        UserError: there are more points than a skeleton has.
    """
    if len(names) > _MOST_JOINTS:
        raise UserError(
            f"the source has {len(names):,} joints; leave some out, a skeleton has at most {_MOST_JOINTS:,}."
        )
    return Estimator(words, len(names), {name: index for index, name in enumerate(names)}, "auto")


def own_layout(names: Sequence[str], bones: Sequence[tuple[int, int]], points: NDArray[np.floating]) -> Layout:
    """A layout with a single body part, centred on the joint with the most bones.

    Args:
        names: V joint names.
        bones: pairs of joints; if empty, the minimum spanning tree of the mean distances between joints.
        points: ``(D, V, C)`` to measure distances on, NaN where a joint is missing.
    """
    pairs = list(bones) or _nearest(points)
    counts = np.bincount(np.array(pairs, np.int64).ravel(), minlength=len(names)) if pairs else np.zeros(len(names))
    centre = int(np.argmax(counts))
    layout = Layout(list(names), pairs, {"all": list(range(len(names)))}, centre, _mirrored(names))
    towards = layout.walk(centre)
    tree = [(joint, origin) for joint, origin in towards.items() if joint != origin]
    return Layout(list(names), tree, layout.parts, centre, layout.flip_pairs)


def _nearest(points: NDArray[np.floating]) -> list[tuple[int, int]]:
    from scipy.sparse.csgraph import minimum_spanning_tree  # takes a second

    few = points[:: max(1, len(points) // 500, len(points) * points.shape[1] ** 2 // _MOST_DISTANCES)]
    apart = np.linalg.norm(few[:, :, None] - few[:, None], axis=3)
    seen = np.isfinite(apart)
    mean = np.where(seen, apart, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1) + 1e-6
    return [(int(a), int(b)) for a, b in np.argwhere(minimum_spanning_tree(mean).toarray() > 0)]


def _mirrored(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of joints whose names differ only in left and right."""
    index = {name.lower(): place for place, name in enumerate(names)}
    swapped = {name: name.lower().replace("left", "right") for name in names if "left" in name.lower()}
    return [(index[name.lower()], index[other]) for name, other in swapped.items() if other in index]
