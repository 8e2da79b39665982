"""A direct implementation of the network's block: channels first, one operation at a time; see ``plain.py``."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pointwise(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    """A linear map over channels."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias)


def over_time(inputs: int, outputs: int, kernel: int = 3, **options: object) -> nn.Conv2d:
    """A convolution over frames."""
    return nn.Conv2d(inputs, outputs, (kernel, 1), **options)  # type: ignore[arg-type]


class Spatial(nn.Module):
    """Mix joints by one matrix per head."""

    def __init__(self, joints: int, heads: int) -> None:
        super().__init__()
        self.matrices = nn.Parameter(torch.zeros(heads, joints, joints))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C/4, T, V)`` → the same shape."""
        heads = x.chunk(len(self.matrices), dim=1)
        return torch.cat([torch.einsum("vu,bctu->bctv", a, h) for a, h in zip(self.matrices, heads, strict=True)], 1)


class Motion(nn.Module):
    """Frame difference → depthwise convolution → BatchNorm → GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = over_time(channels, channels, padding=(1, 0), groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C/2, T, V)`` → the same shape."""
        difference = x[:, :, 1:] - x[:, :, :-1]
        difference = torch.cat([difference, difference[:, :, -1:]], dim=2)
        return F.gelu(self.norm(self.conv(difference)))


class MSM(nn.Module):
    """Scale and shift from motion; each joint times its column sum of the graph, or with ``corrected`` all mixed."""

    def __init__(self, channels: int, joints: int, corrected: bool) -> None:
        super().__init__()
        self.corrected = corrected
        self.graph = nn.Parameter(torch.eye(joints))
        self.linear = nn.Linear(channels, channels)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, C/2, T, V)`` → scale and shift ``(B, C/4, T, V)``."""
        x = torch.einsum("bcti,oi->bcto" if self.corrected else "bctv,uv->bctv", x, self.graph)
        x = torch.tanh(self.linear(x.permute(0, 2, 3, 1)))
        return self.norm(x.permute(0, 3, 1, 2)).chunk(2, dim=1)


class MTM(nn.Module):
    """Scale and shift from motion by a convolution over time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = over_time(channels, channels, padding=(1, 0))
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(B, C/2, T, V)`` → scale and shift ``(B, C/4, T, V)``."""
        return self.norm(torch.tanh(self.conv(x))).chunk(2, dim=1)


class Gate(nn.Module):
    """A weight for each branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce = pointwise(width, width // 4, bias=False)
        self.norm = nn.BatchNorm2d(width // 4)
        self.expand = pointwise(width // 4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T, V)`` → ``(B, 3, T, V)``."""
        return torch.sigmoid(self.expand(F.relu(self.norm(self.reduce(x)))))


class Mlp(nn.Module):
    """Linear → GELU → Linear."""

    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        self.expand = nn.Linear(width, int(width * ratio))
        self.shrink = nn.Linear(int(width * ratio), width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → the same shape."""
        return self.shrink(F.gelu(self.expand(x)))


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Standardise over frames and joints, then scale and shift."""
    mean = x.mean(dim=(2, 3), keepdim=True)
    std = x.std(dim=(2, 3), keepdim=True)
    return (x - mean) / (std + 1e-6) * (1 + scale) + shift


class Block(nn.Module):
    """One block; its parts exchange channels-first tensors."""

    def __init__(self, width: int, joints: int, heads: int, ratio: float, corrected: bool, drop: float) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.branch_norm = nn.LayerNorm(width)
        self.split = nn.Linear(width, width)
        self.spatial = Spatial(joints, heads)
        self.temporal = over_time(quarter, quarter, padding=(1, 0), groups=heads)
        self.motion = Motion(half)
        self.msm = MSM(half, joints, corrected)
        self.mtm = MTM(half)
        self.gate = Gate(width)
        self.merge = pointwise(width, width, bias=False)
        self.merge_norm = nn.BatchNorm2d(width)
        self.project = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, ratio)
        self.drop, self.corrected = drop, corrected

    def dropped(self, x: Tensor) -> Tensor:
        """Stochastic depth."""
        if not self.training or self.drop == 0:
            return x
        return x / (1 - self.drop) * (torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T, V)`` → the same shape."""
        y = self.split(self.branch_norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        static, motion = y.chunk(2, dim=1)
        spatial, temporal = static.chunk(2, dim=1)
        spatial, temporal, motion = self.spatial(spatial), self.temporal(temporal), self.motion(motion)
        modulated_spatial = modulate(spatial, *self.msm(motion))
        modulated_temporal = modulate(temporal, *self.mtm(motion))
        gate = self.gate(torch.cat([modulated_temporal, modulated_spatial, motion], dim=1))
        if self.corrected:
            spatial, temporal = modulated_spatial, modulated_temporal
        y = torch.cat([gate[:, 0:1] * temporal, gate[:, 1:2] * spatial, gate[:, 2:3] * motion], dim=1)
        y = F.gelu(self.merge_norm(self.merge(y)))
        x = x + self.dropped(self.project(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        y = self.mlp(self.mlp_norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return x + self.dropped(y)
