"""The gate that weights the temporal, spatial and motion branches."""

from torch import Tensor, nn
from torch.nn import functional as F

from mmn.model.layers import Linear, normalise_channels


class BranchGate(nn.Module):
    """One weight in (0, 1) for each of the three branches, at every frame and joint."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = Linear(channels, channels // 4, bias=False)
        self.norm = nn.BatchNorm1d(channels // 4)
        self.expand = Linear(channels // 4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenated branches ``(B, T, V, C)`` → weights ``(B, T, V, 3)``: temporal, spatial, motion."""
        x = F.relu(normalise_channels(self.norm, self.reduce(x)))
        return self.expand(x).sigmoid()
