"""Missing data, handled alike for every source: undetected joints, frames without the person, padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.clip import Clip
from mmn.errors import UserError

ZEROS = ("missing", "keep")

_MOST_MISSING = 1_000  # frames per frame in the source; beyond that, the numbers cannot be frame numbers


def settle_zeros(clips: Sequence[Clip], zeros: str | None, joints: Sequence[str]) -> list[Clip]:
    """Decide whether exact zeros without a score are coordinates or missing joints.

    A joint at zero in every frame of every clip is the origin and is kept. Other zeros are ambiguous: many estimators
    write 0, 0 for joints they did not find.

    Args:
        clips: with ``zero`` marking the joints at exactly zero in all coordinates.
        zeros: ``missing`` or ``keep``; None to refuse ambiguous zeros.
        joints: the layout's joint names.

    Raises:
        UserError: zeros are ambiguous and ``zeros`` is None; the message says how many and where the first is.
    """
    marked = [clip for clip in clips if clip.zero is not None]
    if not marked:
        return list(clips)
    blank = [clip for clip in marked if clip.zero is not None and clip.zero.all()]
    if len(blank) == len(marked):
        return list(clips)
    for clip in blank:  # nobody
        clip.joints[:] = np.nan
    marked = [clip for clip in marked if not any(clip is other for other in blank)]
    origin = np.all([_in_every_frame(clip) for clip in marked], axis=0)  # (V,)
    ambiguous = [(clip, clip.zero & ~origin) for clip in marked if clip.zero is not None]
    count = sum(int(mask.sum()) for _, mask in ambiguous)
    if count and zeros is None:
        clip, mask = next((clip, mask) for clip, mask in ambiguous if mask.any())
        frame, joint = (int(i) for i in np.argwhere(mask)[0])
        affected = sum(bool(mask.any()) for _, mask in ambiguous)
        raise UserError(
            f"{count} joints in {affected} of {len(clips)} clips are exactly 0, with no scores to tell whether they "
            f"were found; the first is clip {clip.name}, frame {int(clip.frames[frame])}, joint {joint} "
            f"({joints[joint]}): give --zeros missing, or --zeros keep if 0 is a real position."
        )
    if zeros == "missing":
        for clip, mask in ambiguous:
            clip.joints[mask] = np.nan
    return list(clips)


def lay_out(clip: Clip, step: int) -> Clip:
    """Give a clip one row for every frame from the first to the last in which the person is seen.

    Frames that are absent from the source or lack the person become rows of NaN; at either end they are dropped.

    Raises:
        UserError: the numbers are too far apart to be frame numbers.
    """
    there = ~np.isnan(clip.joints).all(axis=(1, 2))
    if not there.any():
        return clip.with_frames(clip.frames[:0], clip.joints[:0])
    first, last = clip.frames[there].min(), clip.frames[there].max()
    if (last - first) // step > _MOST_MISSING * len(clip.frames) + _MOST_MISSING:
        raise UserError(
            f"clip {clip.name} has {len(clip.frames)} frames, numbered {first} to {last}; renumber its frames, or "
            "leave it out."
        )
    frames = np.arange(first, last + 1, step)
    if len(frames) == len(clip.frames) and there.all():
        return clip
    joints = np.full((len(frames), *clip.joints.shape[1:]), np.nan, np.float32)
    inside = there & (clip.frames >= first)
    joints[(clip.frames[inside] - first) // step] = clip.joints[inside]
    return clip.with_frames(frames, joints)


def _in_every_frame(clip: Clip) -> NDArray[np.bool_]:
    """Joints ``(V,)`` at zero wherever the person is in view."""
    assert clip.zero is not None
    in_view = ~clip.zero.all(axis=1)
    return np.asarray(clip.zero[in_view].all(axis=0))  # all of them if nobody is in view
