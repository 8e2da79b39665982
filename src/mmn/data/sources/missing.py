"""What is missing, for every source alike: joints that were not found, frames without anybody, padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.clip import Clip
from mmn.errors import UserError

ZEROS = ("missing", "keep")

_MOST_MISSING = 1_000  # frames in a row for each that there is: beyond it the numbers are no frame numbers


def settle_zeros(clips: Sequence[Clip], zeros: str | None, joints: Sequence[str]) -> list[Clip]:
    """Clips whose exact zeros without a score are either places or missing.

    A joint that is at zero in every frame of every clip is the origin and stays. Of others it is not known: many
    estimators write 0, 0 for what they did not find.

    Args:
        clips: with ``zero`` saying which joints are at exactly zero in all coordinates.
        zeros: ``missing``, ``keep``, or None to ask.
        joints: the layout's joint names.

    Raises:
        UserError: zeros that are not settled, with how many there are and where the first is.
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
    open_ones = [(clip, clip.zero & ~origin) for clip in marked if clip.zero is not None]
    count = sum(int(mask.sum()) for _, mask in open_ones)
    if count and zeros is None:
        clip, mask = next((clip, mask) for clip, mask in open_ones if mask.any())
        frame, joint = (int(i) for i in np.argwhere(mask)[0])
        among = sum(bool(mask.any()) for _, mask in open_ones)
        raise UserError(
            f"{count} joints in {among} of {len(clips)} clips are exactly 0 and no scores say whether they were found; "
            f"the first is clip {clip.name}, frame {int(clip.frames[frame])}, joint {joint} ({joints[joint]}): say "
            "--zeros missing, or --zeros keep where 0 is a place."
        )
    if zeros == "missing":
        for clip, mask in open_ones:
            clip.joints[mask] = np.nan
    return list(clips)


def lay_out(clip: Clip, step: int) -> Clip:
    """A clip with a row for every frame from the first to the last that has anything of the person.

    Frames of which there is no file, and those without the person, are rows of NaN; at either end they are padding
    and left out.
    """
    there = ~np.isnan(clip.joints).all(axis=(1, 2))
    if not there.any():
        return clip.with_frames(clip.frames[:0], clip.joints[:0])
    first, last = clip.frames[there].min(), clip.frames[there].max()
    if (last - first) // step > _MOST_MISSING * len(clip.frames) + _MOST_MISSING:
        raise UserError(
            f"clip {clip.name} has {len(clip.frames)} frames, numbered {first} to {last}; number its frames anew, or "
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
    return np.asarray(clip.zero[in_view].all(axis=0))  # all of them where nobody is in view
