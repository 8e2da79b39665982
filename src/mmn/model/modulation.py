"""Motion-guided modulation (MSM and MTM): motion features give the scale and shift of the static ones."""

import torch
from torch import Tensor, nn

from mmn.model.kernels import centre, tanh
from mmn.model.layers import Linear, TemporalConv, normalise_channels


class SkeletalModulation(nn.Module):
    """MSM: per-joint scale and shift from motion, through a learned joint graph.

    ``mix_joints=False`` is what the official code computes: it multiplies each joint by the *column sum* of the
    graph, so that joints are never mixed. ``True`` is the method as described: ``out_v = Σ_u graph[v, u] · in_u``.
    """

    def __init__(self, channels: int, num_joints: int, mix_joints: bool) -> None:
        super().__init__()
        self.mix_joints = mix_joints
        self.graph = nn.Parameter(torch.eye(num_joints))
        self.linear = Linear(channels, channels)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """``motion (B, T, V, C/2)`` → scale and shift, each ``(B, T, V, C/4)``."""
        if self.mix_joints:
            x = torch.matmul(self.graph.to(motion.dtype), motion)
        else:
            x = motion * self.graph.sum(dim=0).to(motion.dtype).unsqueeze(-1)
        x = normalise_channels(self.norm, tanh(self.linear(x)))
        scale, shift = x.chunk(2, dim=-1)
        return scale, shift


class TemporalModulation(nn.Module):
    """MTM: per-frame scale and shift from motion, through a convolution over time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, motion: Tensor) -> tuple[Tensor, Tensor]:
        """``motion (B, T, V, C/2)`` → scale and shift, each ``(B, T, V, C/4)``."""
        x = normalise_channels(self.norm, tanh(self.conv(motion)))
        scale, shift = x.chunk(2, dim=-1)
        return scale, shift


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Standardise ``x (B, T, V, C)`` per clip and channel over frames and joints, then scale and shift it.

    ``(x − mean) / (std + 1e-6) · (1 + scale) + shift``, std unbiased; the statistics stay in float32.
    """
    centred, spread = centre(x)
    return centred / spread * (1 + scale) + shift
