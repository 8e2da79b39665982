"""Conversion of coordinates normalised by the picture size to pixels, so that both axes have the same unit."""

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError

_PIXELS, _POSITIVE = 10.0, 0.8


def in_pixels(points: NDArray[np.float32], picture: tuple[int, int] | None, name: str) -> NDArray[np.float32]:
    """Normalised coordinates ``(…, C)`` → pixels, including z, which MediaPipe gives in units of the width.

    Args:
        points: x, y and optionally z.
        picture: width and height in pixels.
        name: name of the clip, for error messages.

    Raises:
        UserError: no picture size given.
    """
    if picture is None:
        raise UserError(
            f"clip {name} has coordinates normalised by the picture size, which hides its aspect ratio; give the size, "
            "as in --picture 1920x1080."
        )
    width, height = picture
    return points * np.array([width, height, width][: points.shape[-1]], np.float32)


def are_normalised(points: NDArray[np.floating]) -> bool:
    """Whether ``(…, C)`` are normalised by the picture size: no value is as large as a pixel's, and few are negative.

    Values above 1 are allowed, since estimators place hidden legs well below the picture. Coordinates in metres around
    the hips are half negative.
    """
    places = points[..., :2]
    there = np.isfinite(places).all(axis=-1) & (places != 0).any(axis=-1) & (places != -1).any(axis=-1)
    places = places[there]
    return len(places) > 0 and bool(np.abs(places).max() < _PIXELS) and bool((places >= 0).mean() > _POSITIVE)
