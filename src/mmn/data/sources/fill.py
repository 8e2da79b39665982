"""Interpolation of missing joints, and detection of clips with too many of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.layout import Layout
from mmn.errors import UserError

DEFAULT_MAX_GAP = 15
"""In frames: half a second at 30 frames per second."""
MOSTLY, LONG = "missing", "frames in a row"
"""How the descriptions of the two kinds of fault end."""


def missing_joints(joints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mask of missing joints ``(T, V)``: those with any coordinate NaN."""
    return np.asarray(np.isnan(joints).any(axis=2))


def longest_gap(missing: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest run of frames in which a joint of ``(T, V)`` is missing between two sightings, and that joint."""
    best = (0, 0)
    for joint in np.flatnonzero(missing.any(axis=0)):
        seen = np.flatnonzero(~missing[:, joint])
        gap = int(np.diff(seen).max()) - 1 if len(seen) > 1 else 0
        best = max(best, (gap, int(joint)), key=lambda found: found[0])
    return best


def fill_missing(clips: Clips, layout: Layout, where: str) -> Clips:
    """Fill in every missing (NaN) joint, and mark it in ``filled``.

    A joint seen in some frames of its clip is interpolated linearly in time between them, and held constant before the
    first and after the last. A joint never seen takes the position of the nearest seen joint along the bones: an
    undetected hand stays at its wrist. Clips with another number of joints than the layout are returned unchanged.

    Args:
        clips: clips with missing joints.
        layout: their skeleton.
        where: source and split, for error messages.

    Raises:
        UserError: a clip has no joint in any frame.
    """
    missing = missing_joints(np.asarray(clips.keypoints))  # (ΣT, V)
    if not missing.any() or missing.shape[1] != layout.num_joints:
        return clips
    keypoints = np.array(clips.keypoints)
    order = [list(layout.walk(joint)) for joint in range(layout.num_joints)]
    for index in np.unique(np.searchsorted(clips.offsets, np.flatnonzero(missing.any(axis=1)), side="right") - 1):
        span = slice(clips.offsets[index], clips.offsets[index + 1])
        if missing[span].all():
            raise UserError(f"{where}: clip {clips.names[index]} has no joint in any frame; leave it out.")
        keypoints[span] = _fill_clip(keypoints[span], missing[span], order)
    return replace(clips, keypoints=keypoints, filled=missing)


def _fill_clip(clip: NDArray[np.float32], missing: NDArray[np.bool_], order: list[list[int]]) -> NDArray[np.float32]:
    """Fill one clip ``(T, V, C)``; ``order`` lists for each joint the others by distance along the bones."""
    frames = np.arange(len(clip))
    seen = np.asarray(~missing.all(axis=0))  # (V,)
    filled = clip.copy()
    for joint in np.flatnonzero(seen & missing.any(axis=0)):
        known = ~missing[:, joint]
        for axis in range(clip.shape[2]):
            filled[:, joint, axis] = np.interp(frames, frames[known], clip[known, joint, axis])
    place_unseen(filled, seen, order)
    return filled


def place_unseen(clip: NDArray[np.float32], seen: NDArray[np.bool_], order: list[list[int]]) -> None:
    """Put the joints of ``clip (T, V, C)`` that are never ``seen (V,)`` at the nearest seen one, in place."""
    for joint in np.flatnonzero(~seen):
        near = [other for other in order[joint] if seen[other]]
        clip[:, joint] = clip[:, near[0]] if near else clip[:, seen].mean(axis=1)


def faults(joints: NDArray[np.float32], names: Sequence[str], max_gap: int, max_filled: float) -> str:
    """Why a clip ``(T, V, C)`` must not be filled in; empty if it may be."""
    missing = missing_joints(joints)
    gap, joint = longest_gap(missing)
    share = float(missing.mean())
    if share > max_filled:
        return f"{share:.0%} {MOSTLY}"
    return f"{names[joint]} missing for {gap} {LONG}" if gap > max_gap else ""
