"""The motion branch."""

from torch import Tensor, nn
from torch.nn import functional as F

from mmn.model.layers import TemporalConv, normalise_channels


class MotionBranch(nn.Module):
    """Frame difference → depthwise convolution over time → BatchNorm → GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Frame difference ``(B, T, V, C/2)`` → motion features of the same shape."""
        return F.gelu(normalise_channels(self.norm, self.conv(x)))
