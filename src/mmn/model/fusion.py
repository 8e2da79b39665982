"""Motion-consistency fusion: the scales, aligned in time and weighted at every frame and joint."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.model.layers import Linear, TemporalConv, normalise_channels


class BringToCoarsest(nn.Module):
    """Convolution whose kernel equals its stride, + BatchNorm + ReLU; the coarsest scale skips the convolution."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, factor, stride=factor) if factor > 1 else nn.Identity()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → ``(B, T / factor, V, C)``."""
        return F.relu(normalise_channels(self.norm, self.conv(x)))


class ScaleGate(nn.Module):
    """Weights of the scales at every frame and joint, summing to one."""

    def __init__(self, channels: int, num_scales: int) -> None:
        super().__init__()
        self.reduce = Linear(num_scales * channels, channels)
        self.norm = nn.BatchNorm1d(channels)
        self.expand = Linear(channels, num_scales)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenated scales ``(B, T/8, V, S·C)`` → weights ``(B, T/8, V, S)``."""
        x = F.relu(normalise_channels(self.norm, self.reduce(x)))
        return self.expand(x).softmax(dim=-1)


class MotionConsistencyFusion(nn.Module):
    """Weighted sum of the scales plus a linear map of the coarsest (official counterpart: ``fusion``)."""

    def __init__(self, channels: int, num_scales: int, dropout: float) -> None:
        super().__init__()
        self.align = nn.ModuleList(BringToCoarsest(channels, 2**exponent) for exponent in reversed(range(num_scales)))
        self.gate = ScaleGate(channels, num_scales)
        self.dropout = nn.Dropout(dropout)
        self.residual = Linear(channels, channels)

    def forward(self, scales: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Scales, finest first, → fused features ``(B, T/8, V, C)`` and the aligned scales, each of that shape."""
        aligned = [align(x) for align, x in zip(self.align, scales, strict=True)]
        weights = self.gate(torch.cat(aligned, dim=-1)).unsqueeze(-1)  # (B, T/8, V, S, 1)
        fused = (torch.stack(aligned, dim=-2) * weights).sum(dim=-2)
        return self.dropout(fused) + self.residual(aligned[-1]), aligned
