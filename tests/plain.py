"""A direct implementation of the network as a reference: channels first, a loop over heads, one operation at a time.

Same parameter names and logits as ``mmn.MMN``. Nothing here is optimised, and no code is shared with ``mmn``, so that
it is also an independent check of what the network computes.
"""

import math
from itertools import pairwise

import torch
from plain_block import Block, over_time, pointwise
from torch import Tensor, nn
from torch.nn import functional as F


class Embedding(nn.Module):
    """1×1 maps with GELU in between, plus sinusoids of the frame time multiplied by a learned table."""

    def __init__(self, coordinates: int, joints: int, width: int) -> None:
        super().__init__()
        widths = (coordinates, 2 * coordinates, 3 * coordinates, width)
        self.lift = nn.ModuleList(pointwise(before, after) for before, after in pairwise(widths))
        self.position = nn.Parameter(torch.zeros(joints, width))
        self.width = width

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        """``(B, coordinates, T, V)`` → ``(B, C, T, V)``."""
        x = self.lift[2](F.gelu(self.lift[1](F.gelu(self.lift[0](x)))))
        code = torch.zeros(*times.shape, self.width, device=x.device)  # (B, T, C)
        frequency = torch.exp(torch.arange(0, self.width, 2, device=x.device) * (-math.log(10000.0) / self.width))
        code[..., 0::2] = torch.sin(times.unsqueeze(-1) * frequency)
        code[..., 1::2] = torch.cos(times.unsqueeze(-1) * frequency)
        return x + code.permute(0, 2, 1).unsqueeze(-1) * self.position.t().unsqueeze(0).unsqueeze(2)


class Halve(nn.Module):
    """Halve the frames: one step of the pyramid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = over_time(width, width, stride=(2, 1))
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T, V)`` → ``(B, C, T/2, V)``."""
        return self.norm(self.conv(F.pad(x, (0, 0, 1, 1), mode="replicate")))


class Align(nn.Module):
    """Reduce a scale to the length of the coarsest."""

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.conv = over_time(width, width, factor, stride=(factor, 1)) if factor > 1 else nn.Identity()
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T, V)`` → ``(B, C, T / factor, V)``."""
        return F.relu(self.norm(self.conv(x)))


class ScaleGate(nn.Module):
    """A weight for each scale."""

    def __init__(self, width: int, scales: int) -> None:
        super().__init__()
        self.reduce = pointwise(scales * width, width)
        self.norm = nn.BatchNorm2d(width)
        self.expand = pointwise(width, scales)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, S·C, T, V)`` → ``(B, S, T, V)``."""
        return torch.softmax(self.expand(F.relu(self.norm(self.reduce(x)))), dim=1)


class Fusion(nn.Module):
    """The weighted sum of the scales plus a linear map of the coarsest."""

    def __init__(self, width: int, scales: int, dropout: float) -> None:
        super().__init__()
        self.align = nn.ModuleList(Align(width, 2**i) for i in reversed(range(scales)))
        self.gate = ScaleGate(width, scales)
        self.dropout = nn.Dropout(dropout)
        self.residual = pointwise(width, width)

    def forward(self, scales: list[Tensor]) -> Tensor:
        """Scales, finest first → ``(B, C, T/8, V)``."""
        aligned = [align(x) for align, x in zip(self.align, scales, strict=True)]
        weights = self.gate(torch.cat(aligned, dim=1))
        fused = torch.zeros_like(aligned[0])
        for i, x in enumerate(aligned):
            fused = fused + weights[:, i : i + 1] * x
        return self.dropout(fused) + self.residual(aligned[-1])


class Pyramid(nn.Module):
    """The embedding at T, T/2, T/4 and T/8 frames."""

    def __init__(self, width: int, scales: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(Halve(width) for _ in range(scales - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Finest first."""
        scales = [x]
        for step in self.steps:
            scales.append(step(scales[-1]))
        return scales


class PlainMMN(nn.Module):
    """The whole network; ``config`` is that of an ``mmn.MMN``."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        width, scales, depth = config["width"], config["scales"], config["depth"]
        self.embedding = Embedding(config["coordinates"], config["num_joints"], width)
        self.pyramid = Pyramid(width, scales)
        drops = iter(torch.linspace(0, config["drop_path"], scales * depth).tolist())
        sizes = width, config["num_joints"], config["heads"], config["mlp_ratio"], config["corrected"]
        self.scales = nn.ModuleList(
            nn.Sequential(*(Block(*sizes, next(drops)) for _ in range(depth))) for _ in range(scales)
        )
        self.fusion = Fusion(width, scales, config["dropout"])
        self.dropout = nn.Dropout(config["dropout"])
        self.classifier = nn.Linear(width, config["num_classes"])

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, coordinates)``, ``times (B, T)`` → logits ``(B, K)``."""
        x = self.embedding(clips.permute(0, 3, 1, 2), times)
        x = self.fusion([blocks(x) for blocks, x in zip(self.scales, self.pyramid(x), strict=True)])
        return self.classifier(self.dropout(x.mean(dim=(2, 3))))


def plain_network(network: nn.Module) -> PlainMMN:
    """The reference network with the parameters of an ``mmn.MMN``, in the same mode."""
    plain = PlainMMN(network.config)  # type: ignore[arg-type]
    state = network.state_dict()
    plain.load_state_dict({name: state[name].reshape(value.shape) for name, value in plain.state_dict().items()})
    return plain.train(network.training)
