"""A batch of network input."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Clips with their times and labels.

    Attributes:
        clips: ``(B, T, V, channels)`` float32, joints in network order.
        times: ``(B, T)`` float32 frame times in [-1, 1].
        labels: ``(B,)`` int64, −1 = unknown.
        indices: ``(B,)`` int64, the clip's index in its split; −1 marks padding, which metrics ignore.
        repeats: ``(B,)`` int64, how often the clip was shown before in the epoch; None if no clip was.
    """

    clips: Tensor
    times: Tensor
    labels: Tensor
    indices: Tensor
    repeats: Tensor | None = None
