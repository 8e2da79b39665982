"""Missing joints filled in from the frames around them, and which clips have too many for that."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.layout import Layout
from mmn.errors import UserError

DEFAULT_MAX_GAP = 15
"""Frames: half a second at 30 frames a second."""
MOSTLY, LONG = "missing", "frames in a row"
"""How the two kinds of fault end in words."""


def missing_joints(joints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which joints are missing ``(T, V)``; one coordinate that is missing is a missing joint."""
    return np.asarray(np.isnan(joints).any(axis=2))


def longest_gap(missing: NDArray[np.bool_]) -> tuple[int, int]:
    """The most frames in a row a joint of ``(T, V)`` is missing between two in which it is seen, and that joint."""
    best = (0, 0)
    for joint in np.flatnonzero(missing.any(axis=0)):
        seen = np.flatnonzero(~missing[:, joint])
        gap = int(np.diff(seen).max()) - 1 if len(seen) > 1 else 0
        best = max(best, (gap, int(joint)), key=lambda found: found[0])
    return best


def fill_missing(clips: Clips, layout: Layout, where: str) -> Clips:
    """Clips with every missing (NaN) joint filled in, and ``filled`` saying which those are.

    A joint seen in some frames of its clip is interpolated linearly in time between them, and held before the first
    and after the last. A joint never seen takes the place of the nearest one along the bones that was: a hand that was
    not found stays at its wrist.

    Args:
        clips: as a reader made them.
        layout: their skeleton.
        where: what an error calls the place.

    Raises:
        UserError: a clip without a single joint, or one whose joints are not the layout's.
    """
    missing = missing_joints(np.asarray(clips.keypoints))  # (ΣT, V)
    if not missing.any() or missing.shape[1] != layout.num_joints:
        return clips
    keypoints = np.array(clips.keypoints)
    order = [list(layout.walk(joint)) for joint in range(layout.num_joints)]
    for index in np.unique(np.searchsorted(clips.offsets, np.flatnonzero(missing.any(axis=1)), side="right") - 1):
        span = slice(clips.offsets[index], clips.offsets[index + 1])
        if missing[span].all():
            raise UserError(f"{where}: clip {clips.names[index]} has not a single joint in any frame; leave it out.")
        keypoints[span] = _fill_clip(keypoints[span], missing[span], order)
    return replace(clips, keypoints=keypoints, filled=missing)


def _fill_clip(clip: NDArray[np.float32], missing: NDArray[np.bool_], order: list[list[int]]) -> NDArray[np.float32]:
    """One clip ``(T, V, C)``; ``order`` has for each joint the others by their distance along the bones."""
    frames = np.arange(len(clip))
    seen = np.asarray(~missing.all(axis=0))  # (V,)
    filled = clip.copy()
    for joint in np.flatnonzero(seen & missing.any(axis=0)):
        known = ~missing[:, joint]
        for axis in range(clip.shape[2]):
            filled[:, joint, axis] = np.interp(frames, frames[known], clip[known, joint, axis])
    for joint in np.flatnonzero(~seen):
        near = [other for other in order[joint] if seen[other]]
        filled[:, joint] = filled[:, near[0]] if near else filled[:, seen].mean(axis=1)
    return filled


def faults(joints: NDArray[np.float32], names: Sequence[str], max_gap: int, max_filled: float) -> str:
    """Why a clip ``(T, V, C)`` is not to be filled in, in words; empty where it may be."""
    missing = missing_joints(joints)
    gap, joint = longest_gap(missing)
    share = float(missing.mean())
    if share > max_filled:
        return f"{share:.0%} {MOSTLY}"
    return f"{names[joint]} missing in {gap} {LONG}" if gap > max_gap else ""
