"""Ensemble weights given by the user."""

import math
from collections.abc import Sequence
from typing import Any

from mmn.errors import UserError


def shares(weights: Any, streams: int) -> list[float]:
    """The weights of a number of streams, divided by their sum; None means equal ones.

    Raises:
        UserError: anything but a list of one non-negative number per stream, not all 0.
    """
    if weights is None:
        return [1.0 / streams] * streams
    if isinstance(weights, str) or not isinstance(weights, Sequence):
        raise UserError(
            f"weights={weights} is not a list; give one number per stream, as in weights=[0.6,0.4], auto to fit "
            "them on the val split, or leave it out for equal ones."
        )
    if len(weights) != streams:
        what = "is 1 stream" if streams == 1 else f"are {streams} streams"
        raise UserError(f"there {what} but {len(weights)} weights; give one per stream.")
    shown = f"[{', '.join(map(str, weights))}]"
    for weight in weights:
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not math.isfinite(weight) or weight < 0:
            raise UserError(f"weights={shown} holds {weight}; give numbers of at least 0, such as 0.5.")
    total = math.fsum(weights)
    if total <= 0:
        raise UserError(f"weights={shown} leaves every stream out; give at least one above 0.")
    return [weight / total for weight in weights]
