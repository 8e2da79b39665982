"""Normalisation of coordinates in any unit, by a box per clip."""

from typing import NamedTuple

import torch
from torch import Tensor

from mmn.errors import UserError

NORMALISATIONS = ("official", "aspect", "person")


class Box(NamedTuple):
    """A box to be mapped to [-1, 1]: it spans ``range`` from ``low``, relative to ``origin``, each ``(B, C)``."""

    origin: Tensor
    low: Tensor
    range: Tensor

    def of(self, clips: Tensor) -> "Box":
        """The boxes of ``clips (B,)``."""
        return Box(*(part.index_select(0, clips) for part in self))

    def normalise(self, clips: Tensor) -> Tensor:
        """``clips (B, T, V, C)`` in a new tensor, each in its box."""
        # One long row per frame: two numbers at a time would be five times slower.
        origin, low, span = (part.repeat(1, clips.shape[2]).unsqueeze(1) for part in self)
        inside = (clips.flatten(2) - origin).sub_(low).div_(span)  # in [0, 1]
        return torch.add(inside.new_full((), -1.0), inside, alpha=2, out=inside).view(clips.shape)


def moved(box: Box, before: Box, after: Box) -> Box:
    """``box``, moved and scaled as ``before`` is to ``after``."""
    middles = [one.origin + one.low + one.range / 2 for one in (box, before, after)]
    span = box.range * (after.range / before.range)
    return Box(middles[2] + (middles[0] - middles[1]), -span / 2, span)


def check_normalisation(rule: str) -> None:
    """Check the name of a normalisation.

    Raises:
        UserError: the rule is unknown.
    """
    if rule not in NORMALISATIONS:
        raise UserError(f"data.normalisation is {rule!r}; choose one of {', '.join(NORMALISATIONS)}.")


def boxes(frames: Tensor, lengths: Tensor, centre: int, rule: str = "official") -> Box:
    """The box of each clip.

    ``official``: each axis from its minimum to its maximum over all frames and joints; a constant axis becomes −1.
    ``aspect``: around the midpoint of the extremes, scaled by the largest axis.
    ``person``: around the mean position of the centre joint, scaled by the body size (see ``body_sizes``), so that
    moving through the image does not make the person smaller.

    Args:
        frames: ``(ΣT, V, C)``, concatenated clips.
        lengths: ``(B,)`` number of frames of each clip.
        centre: the layout's centre joint.
        rule: one of ``NORMALISATIONS``.
    """
    starts = lengths.cumsum(0) - lengths
    lowest, highest = frames.amin(dim=1), frames.amax(dim=1)  # (ΣT, C)
    if rule == "person":
        middle = _reduce(frames[:, centre].contiguous(), "mean", lengths)
        half = 0.5 * _reduce((highest - lowest).amax(dim=1, keepdim=True), "mean", lengths).expand_as(middle)
        return Box(torch.zeros_like(middle), middle - half, 2 * half + 1e-6)
    origin = frames[starts, centre]
    low, high = _reduce(lowest, "min", lengths) - origin, _reduce(highest, "max", lengths) - origin
    if rule == "official":
        return Box(origin, low, high - low + 1e-6)
    middle, half = (low + high) / 2, (high - low).amax(dim=1, keepdim=True).expand_as(low) / 2
    return Box(origin, middle - half, 2 * half + 1e-6)


def body_sizes(clips: Tensor) -> Tensor:
    """Size of the body ``(B,)`` in ``clips (B, T, V, C)``: the longest side of its bounding box, mean over frames."""
    return (clips.amax(dim=2) - clips.amin(dim=2)).amax(dim=2).mean(dim=1)


def _reduce(frames: Tensor, how: str, lengths: Tensor) -> Tensor:
    # unsafe: checking that the lengths fit would wait for a GPU
    return torch.segment_reduce(frames, how, lengths=lengths, axis=0, unsafe=True)
