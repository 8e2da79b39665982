"""Mapping of a pose estimator's points to a layout's joints: by name, or derived from other points."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.points import Estimator, Points
from mmn.errors import UserError

_MIDPOINTS = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_TOP_OVER_EYES = 0.54  # eye height 0.936, shoulder height 0.818 of the stature (Drillis and Contini 1966)


class LackingJointsError(UserError):
    """A pose estimator's points lack joints of a layout.

    Attributes:
        lacking: the joints that are missing.
        words: description of the points.
    """

    def __init__(self, message: str, lacking: list[str], words: str) -> None:
        super().__init__(message)
        self.lacking, self.words = lacking, words


class Selection:
    """Maps P points to V joints, each a weighted sum of points and usually just one of them.

    Args:
        joints: the layout's joint names.
        estimator: the pose estimator.
        layout: the layout's name, for error messages.

    Raises:
        LackingJointsError: joints that are neither among the points nor can be derived from them.
    """

    def __init__(self, joints: Sequence[str], estimator: Estimator, layout: str) -> None:
        self.notes: list[str] = []
        self._sums = [_parts(name, estimator.points) for name in joints]
        lacking = [name for name, parts in zip(joints, self._sums, strict=True) if not parts]
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise LackingJointsError(
                f"the source holds {estimator.words}, which lack {lacking[0]}{more} of the layout {layout}; use "
                f"--layout {estimator.layout}, or one with only joints they have{estimator.hint}.",
                lacking,
                estimator.words,
            )
        for name in joints:
            if name not in estimator.points:
                self.notes.append(
                    f"{name} is the midpoint of {' and '.join(_MIDPOINTS[name])}"
                    if name in _MIDPOINTS
                    else f"{name} is estimated from eyes and shoulders"
                )

    def points(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points ``(T, P, C)``, NaN where missing → joints ``(T, V, C)``, NaN if derived from a missing point."""
        joints = np.empty((len(points), len(self._sums), points.shape[2]), np.float32)
        for joint, parts in enumerate(self._sums):
            joints[:, joint] = sum(np.float32(weight) * points[:, point] for point, weight in parts.items())
        return joints

    def any(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether ``mask (T, P)`` holds for any of the points that each joint is derived from, ``(T, V)``."""
        return np.stack([mask[:, list(parts)].any(axis=1) for parts in self._sums], axis=1)


def _parts(name: str, points: Points) -> dict[int, float]:
    """Points and their weights; empty if the joint cannot be derived."""
    if name in points:
        return {points[name]: 1.0}
    if name in _MIDPOINTS:
        return _sum([(0.5, other) for other in _MIDPOINTS[name]], points)
    if name == "head_top":
        up = 1 + _TOP_OVER_EYES
        return _sum([(up / 2, "left_eye"), (up / 2, "right_eye"), (-_TOP_OVER_EYES, "neck")], points)
    return {}


def _sum(terms: list[tuple[float, str]], points: Points) -> dict[int, float]:
    total: dict[int, float] = {}
    for weight, name in terms:
        parts = _parts(name, points)
        if not parts:
            return {}
        for point, part in parts.items():
            total[point] = total.get(point, 0.0) + weight * part
    return total
