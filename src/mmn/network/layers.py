"""Small building blocks shared by every part of the network, on channels-last tensors ``(B, T, V, C)``."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def normalise_channels(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply a batch normalisation to the last axis of ``x (..., C)``.

    The norm sees ``(N, C)``, which ``BatchNorm1d`` and ``SyncBatchNorm`` both accept.
    """
    return norm(x.reshape(-1, x.shape[-1])).reshape(x.shape)


def pad_replicate(x: Tensor, before: int, after: int) -> Tensor:
    """Repeat the first and last frame of ``x (B, T, V, C)``.

    Slicing and ``cat``: the backward of ``F.pad(mode="replicate")`` fails under ``torch.compile``.
    """
    first = x[:, :1].expand(-1, before, -1, -1)
    last = x[:, -1:].expand(-1, after, -1, -1)
    return torch.cat([first, x, last], dim=1)


class TemporalConv(nn.Conv2d):
    """Convolution over the frames of ``(B, T, V, C)``, every joint alike.

    Weights are ``(out, in / groups, kernel, 1)``. The channel axis is only *viewed* as the second one, so that the
    backend runs its channels-last kernel and nothing is copied.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size=(kernel, 1),
            stride=(stride, 1),
            padding=(padding, 0),
            groups=groups,
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, in)`` → ``(B, T', V, out)``."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class DropPath(nn.Module):
    """Stochastic depth: drops a whole residual branch for a clip with probability ``rate``, in training only."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → the same shape; kept clips are scaled by ``1 / (1 - rate)``."""
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep)
        return x * mask.div_(keep)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3f}"


class Mlp(nn.Module):
    """Linear → GELU → Linear on the channels, hidden width ``ratio * channels``."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.expand = nn.Linear(channels, hidden)
        self.shrink = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C)`` → ``(..., C)``."""
        return self.shrink(F.gelu(self.expand(x)))
