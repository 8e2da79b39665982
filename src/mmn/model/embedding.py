"""Coordinates and frame times to features."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def lift_sizes(coordinates: int, lift: Sequence[int] | None, channels: int) -> list[tuple[int, int]]:
    """The channels before and after each layer of the lift; by default it has the official ones."""
    return list(pairwise((coordinates, *(lift or (2 * coordinates, 3 * coordinates)), channels)))


class SkeletonEmbedding(nn.Module):
    """Lift coordinates to ``channels`` features and add the position of each joint in space and time.

    Official counterpart: ``projection`` and ``STPE``. The position of joint ``v`` in a frame at time ``t`` is the
    sinusoid of the *frame time*, not of the frame's index, times a learned table over channels and joints.
    """

    frequencies: Tensor

    def __init__(self, coordinates: int, num_joints: int, channels: int, lift: Sequence[int] | None = None) -> None:
        super().__init__()
        self.lift = nn.ModuleList(nn.Linear(*sizes) for sizes in lift_sizes(coordinates, lift, channels))
        self.position = nn.Parameter(torch.empty(num_joints, channels))
        nn.init.trunc_normal_(self.position, std=0.02)
        even = torch.arange(0, channels, 2, dtype=torch.float32)
        self.register_buffer("frequencies", torch.exp(even * (-math.log(10000.0) / channels)), persistent=False)

    def time_code(self, times: Tensor) -> Tensor:
        """Frame times ``(B, T)`` → sinusoids ``(B, T, C)``, sine on even and cosine on odd channels."""
        angle = times.unsqueeze(-1) * self.frequencies  # (B, T, C/2)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, coordinates)``, ``times (B, T)`` → features ``(B, T, V, C)``."""
        x = clips
        for i, linear in enumerate(self.lift):
            x = linear(F.gelu(x) if i else x)
        return x + self.time_code(times).unsqueeze(2) * self.position
