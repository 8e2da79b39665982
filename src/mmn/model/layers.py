"""Small building blocks shared by every part of the network, on channels-last tensors ``(B, T, V, C)``."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.model.kernels import convolve_frames, map_channels


def normalise_channels(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply a batch normalisation to the last axis of ``x (..., C)``.

    The norm gets ``(N, C)``, which ``BatchNorm1d`` and ``SyncBatchNorm`` both accept.
    """
    return norm(x.reshape(-1, x.shape[-1])).reshape(x.shape)


class Linear(nn.Linear):
    """Linear map of the channels of ``(B, T, V, in)``."""

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, in)`` → ``(B, T, V, out)``."""
        return map_channels(x, self.weight, self.bias)


class TemporalConv(nn.Conv2d):
    """Convolution over the frames of ``(B, T, V, C)``, shared by all joints.

    Weights are ``(out, in / groups, kernel, 1)``.
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
        stride, padding = self.stride[0], int(self.padding[0])
        return convolve_frames(x, self.weight, self.bias, stride, padding, self.groups)


class DropPath(nn.Module):
    """Residual connection with stochastic depth: in training, a clip's branch is dropped with probability ``rate``."""

    keep: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        # A tensor, not a number, so that blocks of different rates share one compiled graph.
        self.register_buffer("keep", torch.tensor(1.0), persistent=False)
        self.rate = rate

    @property
    def rate(self) -> float:
        """Probability of dropping a branch; can be changed."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate, self.drops = rate, rate > 0
        self.keep.fill_(1.0 - rate)

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        """``x + branch``, both ``(B, T, V, C)``; branches that are kept are scaled by ``1 / (1 - rate)``."""
        if not self.drops or not self.training:
            return x + branch
        kept = torch.bernoulli(self.keep.expand(len(x), 1, 1, 1)) / self.keep
        return torch.addcmul(x, branch, kept.to(branch.dtype))

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3f}"


class Mlp(nn.Module):
    """Linear → GELU → Linear on the channels, hidden width ``ratio * channels``."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.expand = Linear(channels, hidden)
        self.shrink = Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C)`` → ``(..., C)``."""
        return self.shrink(F.gelu(self.expand(x)))
