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
        partners: ``(B,)`` int64, the class a clip is mixed with; None if clips are not mixed.
        shares: ``(B,)`` float32, the weight of the clip's own class; None likewise.
        repeats: ``(B,)`` int64, how often the clip was shown before in the epoch; None if no clip was.
    """

    clips: Tensor
    times: Tensor
    labels: Tensor
    indices: Tensor
    partners: Tensor | None = None
    shares: Tensor | None = None
    repeats: Tensor | None = None
