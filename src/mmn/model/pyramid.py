"""The temporal pyramid: the same embedding at T, T/2, T/4 and T/8 frames."""

from torch import Tensor, nn

from mmn.model.kernels import pad_replicate
from mmn.model.layers import TemporalConv, normalise_channels


class HalveFrames(nn.Module):
    """Convolution over time (kernel 3, stride 2, end frames repeated) + BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, 3, stride=2)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → ``(B, T/2, V, C)``."""
        return normalise_channels(self.norm, self.conv(pad_replicate(x, 1, 1)))


class TemporalPyramid(nn.Module):
    """Scales of the embedding, finest first."""

    def __init__(self, channels: int, num_scales: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(HalveFrames(channels) for _ in range(num_scales - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, T, V, C)`` → ``num_scales`` tensors ``(B, T / 2**i, V, C)``."""
        scales = [x]
        for step in self.steps:
            scales.append(step(scales[-1]))
        return scales
