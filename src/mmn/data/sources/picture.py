"""Coordinates that are shares of the picture, brought to pixels so that both axes have one unit."""

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError

_PIXELS, _POSITIVE = 10.0, 0.8


def in_pixels(points: NDArray[np.float32], picture: tuple[int, int] | None, name: str) -> NDArray[np.float32]:
    """Shares ``(…, C)`` → pixels; z, which MediaPipe gives in units of the width, too.

    Args:
        points: x, y and perhaps z.
        picture: width and height.
        name: the clip's, for sentences.

    Raises:
        UserError: no picture given.
    """
    if picture is None:
        raise UserError(
            f"clip {name} has coordinates that are shares of the picture, in which a wide one and a high one look "
            "alike; say its size, as in --picture 1920x1080."
        )
    width, height = picture
    return points * np.array([width, height, width][: points.shape[-1]], np.float32)


def are_shares(points: NDArray[np.floating]) -> bool:
    """Whether ``(…, C)`` are shares of the picture: no number is as large as pixels are, and few are below 0.

    Estimators place legs that the picture does not show well below it, and metres around the hips are half negative.
    """
    places = points[..., :2]
    places = places[np.isfinite(places).all(axis=-1) & (places != 0).any(axis=-1)]
    return len(places) > 0 and bool(np.abs(places).max() < _PIXELS) and bool((places >= 0).mean() > _POSITIVE)
