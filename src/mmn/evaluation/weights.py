"""How much each of several streams counts in their sum, as it is asked for."""

import math
from collections.abc import Sequence
from typing import Any

from mmn.errors import UserError


def shares(weights: Any, streams: int) -> list[float]:
    """The weights of so many streams, divided by their sum; None means equal ones.

    Raises:
        UserError: no list, another number of weights than streams, or weights that are no numbers, negative or all 0.
    """
    if weights is None:
        return [1.0 / streams] * streams
    if isinstance(weights, str) or not isinstance(weights, Sequence):
        raise UserError(
            f"weights={weights} is no list; give one number for each stream, as in weights=[0.6,0.4], auto to find "
            "them on the val split, or nothing for equal ones."
        )
    if len(weights) != streams:
        what = "is 1 stream" if streams == 1 else f"are {streams} streams"
        raise UserError(f"there {what} and {len(weights)} weights; give one for each.")
    shown = f"[{', '.join(map(str, weights))}]"
    for weight in weights:
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not math.isfinite(weight) or weight < 0:
            raise UserError(f"weights={shown} holds {weight}; each is a number of at least 0, such as 0.5.")
    total = math.fsum(weights)
    if total <= 0:
        raise UserError(f"weights={shown} leaves every stream out; give at least one more than 0.")
    return [weight / total for weight in weights]
