"""Which frames of a clip the network sees, and their times."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmn.data.pipeline.draws import Draws
from mmn.errors import UserError

SAMPLINGS = ("official", "strata", "warp")
KNOTS = 8
"""Number of speeds that a random time warp is drawn from."""


@dataclass(frozen=True)
class Sampling:
    """How T frames stand for a clip of any length L.

    ``official``: evenly spaced, truncated to whole frames; in training T random frames with repetition.
    ``strata``: the middle frame of each of T equal parts; in training a random one.
    ``warp``: evenly spaced, interpolated between whole frames; in training after a smooth random change of speed.

    Attributes:
        name: which.
        strength: of the warp: speeds differ from the clip's by at most a factor ``exp(strength)``.

    Raises:
        UserError: another name, or a negative strength.
    """

    name: str = "official"
    strength: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in SAMPLINGS:
            raise UserError(f"there is no data.sampling {self.name!r}; choose one of {', '.join(SAMPLINGS)}.")
        if self.strength < 0:
            raise UserError(f"data.sampling_strength is {self.strength}; give 0 or more.")

    @property
    def interpolates(self) -> bool:
        """Whether sampled frames lie between recorded ones."""
        return self.name == "warp"

    def evaluation(self, lengths: Tensor, num_frames: int) -> Tensor:
        """Frames ``(B, T)`` float64 of clips of ``lengths (B,)``, the same each time."""
        if self.name == "official":
            return evaluation_frames(lengths, num_frames).double()
        place = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
        if self.name == "strata":
            return ((place + 0.5) / num_frames * lengths.unsqueeze(1)).floor()
        return place / max(num_frames - 1, 1) * (lengths - 1).unsqueeze(1)

    def training(self, lengths: Tensor, num_frames: int, draws: Draws, purpose: int) -> Tensor:
        """Frames ``(B, T)`` float64 of clips of ``lengths (B,)``, drawn."""
        if self.name == "official":
            return training_frames(lengths, draws.uniform(purpose, num_frames)).double()
        place = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
        if self.name == "strata":
            uniform = draws.uniform(purpose, num_frames)
            return ((place + uniform) / num_frames * lengths.unsqueeze(1)).floor()
        uniform = draws.uniform(purpose, 1 + KNOTS)
        return warped((place + uniform[:, :1]) / num_frames, uniform[:, 1:], self.strength) * (lengths - 1).unsqueeze(1)


def evaluation_frames(lengths: Tensor, num_frames: int) -> Tensor:
    """Evenly spaced frame indices ``(B, num_frames)``: ``linspace(0, L − 1)`` truncated, in double precision."""
    last = (lengths - 1).to(torch.float64).unsqueeze(1)
    position = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
    frames = (position * (last / max(num_frames - 1, 1))).long()
    if num_frames > 1:
        frames[:, -1] = lengths - 1  # as linspace: the end exactly, however the product was rounded
    return frames


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
    """A random smooth rising map of [0, 1] onto itself, its values at ``place (B, T)`` float64.

    Args:
        place: in [0, 1].
        uniform: ``(B, KNOTS)`` in [0, 1), from which the speeds along the way come.
        strength: logarithm of the largest factor by which a speed is changed before normalisation.
    """
    cells = 64
    logs = strength * (2.0 * uniform.double() - 1.0)
    speeds = F.interpolate(logs.unsqueeze(1), cells, mode="linear", align_corners=True).squeeze(1).exp()
    ends = F.pad(speeds.cumsum(dim=1), (1, 0))  # (B, cells + 1), rising from 0
    ends = ends / ends[:, -1:]
    cell = (place * cells).long().clamp(0, cells - 1)
    low, high = ends.gather(1, cell), ends.gather(1, cell + 1)
    return low + (high - low) * (place * cells - cell)
