"""Sampling of frames from clips, and frame times."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmn.data.pipeline.draws import Draws
from mmn.errors import UserError

SAMPLINGS = ("official", "strata", "warp")
KNOTS = 8
"""Number of random speeds that define a time warp."""


@dataclass(frozen=True)
class Sampling:
    """Rule for sampling T frames from a clip of any length L.

    ``official``: evenly spaced, truncated to whole frames; in training, T random frames with repetition.
    ``strata``: the middle frame of each of T equal parts; in training, a random one.
    ``warp``: evenly spaced, interpolated between whole frames; in training, after a smooth random change of speed.

    Attributes:
        name: name of the rule.
        strength: for ``warp``, the logarithm of the largest factor by which speed changes.

    Raises:
        UserError: the name is unknown or the strength negative.
    """

    name: str = "official"
    strength: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in SAMPLINGS:
            raise UserError(f"data.sampling is {self.name!r}; choose one of {', '.join(SAMPLINGS)}.")
        if self.strength < 0:
            raise UserError(f"data.sampling_strength is {self.strength}; use 0 or more.")

    @property
    def interpolates(self) -> bool:
        """Whether sampled frames lie between recorded ones."""
        return self.name == "warp"

    def evaluation(self, lengths: Tensor, num_frames: int) -> Tensor:
        """Deterministic frames ``(B, T)`` float64 of clips of ``lengths (B,)``."""
        if self.name == "official":
            return evaluation_frames(lengths, num_frames).double()
        place = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
        if self.name == "strata":
            return (divided(place + 0.5, num_frames) * lengths.unsqueeze(1)).floor()
        return divided(place, max(num_frames - 1, 1)) * (lengths - 1).unsqueeze(1)

    def training(self, lengths: Tensor, num_frames: int, draws: Draws, purpose: int) -> Tensor:
        """Random frames ``(B, T)`` float64 of clips of ``lengths (B,)``."""
        if self.name == "official":
            return training_frames(lengths, draws.uniform(purpose, num_frames)).double()
        place = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
        if self.name == "strata":
            uniform = draws.uniform(purpose, num_frames)
            return (divided(place + uniform, num_frames) * lengths.unsqueeze(1)).floor()
        uniform = draws.uniform(purpose, 1 + KNOTS)
        start = divided(place + uniform[:, :1], num_frames)
        return warped(start, uniform[:, 1:], self.strength) * (lengths - 1).unsqueeze(1)


def evaluation_frames(lengths: Tensor, num_frames: int) -> Tensor:
    """Evenly spaced frame indices ``(B, num_frames)``: ``linspace(0, L − 1)`` truncated, in double precision."""
    last = (lengths - 1).to(torch.float64).unsqueeze(1)
    position = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
    frames = (position * divided(last, max(num_frames - 1, 1))).long()
    if num_frames > 1:
        frames[:, -1] = lengths - 1  # the exact end, as in linspace, despite rounding of the product
    return frames


def divided(x: Tensor, by: int) -> Tensor:
    """``x / by``, rounded alike on every device: GPUs divide by tensors, but multiply by a number's reciprocal."""
    return x / torch.full_like(x, by)


def training_frames(lengths: Tensor, uniform: Tensor) -> Tensor:
    """Sorted random frame indices with repetition, from ``uniform (B, num_frames)`` in [0, 1)."""
    on_cpu = uniform.device.type == "cpu"
    # numpy sorts such rows 15 times as fast as torch does
    ordered = torch.from_numpy(np.sort(uniform.numpy(), axis=1)) if on_cpu else uniform.sort(dim=1).values
    return (ordered.double() * lengths.unsqueeze(1)).long()


def frame_times(frames: Tensor, lengths: Tensor) -> Tensor:
    """Position of each frame in its clip, ``2 · index / L − 1`` in [-1, 1], float32 like ``frames (B, T)``."""
    return (2.0 * frames.double() / lengths.unsqueeze(1) - 1.0).float()


def warped(place: Tensor, uniform: Tensor, strength: float) -> Tensor:
    """Values at ``place (B, T)`` float64 of a random, smooth, increasing map of [0, 1] onto itself.

    Args:
        place: positions in [0, 1].
        uniform: ``(B, KNOTS)`` random numbers in [0, 1) that define the speed along the map.
        strength: logarithm of the largest factor by which speed changes, before rescaling to [0, 1].
    """
    cells = 64
    logs = strength * (2.0 * uniform.double() - 1.0)
    speeds = F.interpolate(logs.unsqueeze(1), cells, mode="linear", align_corners=True).squeeze(1).exp()
    ends = F.pad(speeds.cumsum(dim=1), (1, 0))  # (B, cells + 1), increasing from 0
    ends = ends / ends[:, -1:]
    cell = (place * cells).long().clamp(0, cells - 1)
    low, high = ends.gather(1, cell), ends.gather(1, cell + 1)
    return low + (high - low) * (place * cells - cell)
