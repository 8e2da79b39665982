"""The values of a point: its coordinates and, optionally, a score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.points import BY_COUNT
from mmn.errors import UserError

_ALWAYS_2D = {count for count in BY_COUNT if count in (18, 26, 133, 136, 137)}  # other counts occur in 3D as well

_PIXELS = 50.0  # no coordinate in metres reaches it


def split_channels(array: NDArray[Any], channels: str | None, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Split values ``(…, P, C)`` into coordinates ``(…, P, 2 or 3)`` and scores ``(…, P)``, if any.

    Args:
        array: values as read from the source.
        channels: ``xy``, ``xyz``, ``xys`` or ``xyzs``; ``xy`` and ``xys`` drop z if there is one; None to detect.
        where: the clip, for error messages.

    Raises:
        UserError: a number of channels other than 2 to 4, one that does not match ``channels``, or a third channel
            that looks like a score.
    """
    count = array.shape[-1]
    if channels is None:
        channels = {2: "xy", 3: "xyz", 4: "xyzs"}.get(count)
        if count == 3 and array.shape[-2] in _ALWAYS_2D:
            channels = "xys"
        elif count == 3 and _looks_like_score(array):
            raise UserError(
                f"{where}: the third value of its points is between 0 and 1 while the others reach "
                f"{np.nanmax(np.abs(array[..., :2])):.0f}, like a score; give --channels xys, or --channels xyz for 3D."
            )
    given = "xyzs" if count == 4 else "xyz" if channels == "xy" and count == 3 else channels
    if channels is None or given is None or len(given) != count:
        raise UserError(
            f"{where} has {count} values per point"
            + (f", which does not match {channels}; correct --channels." if channels else "; give 2 to 4.")
        )
    coordinates = array[..., : len(channels.removesuffix("s"))]  # x, y and z come first
    return coordinates, array[..., -1] if channels.endswith("s") else None


def _looks_like_score(array: NDArray[Any]) -> bool:
    """Whether the third values are scores, from 0 to 1, or little more beside pixels; −1 marks a missing joint."""
    points = array.reshape(-1, array.shape[-1])
    points = points[np.isfinite(points).all(axis=1) & (points != -1).any(axis=1)]
    if not len(points):
        return False
    third, reach = points[:, 2], float(np.abs(points[:, :2]).max())
    most = 1.5 if reach > _PIXELS else 1.0
    return bool(third.min() >= 0 and 0 < third.max() <= most and reach > 2)
