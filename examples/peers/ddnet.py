"""DD-Net: joint distances and two speeds of motion through 1D convolutions (Yang et al., arXiv 1907.09658)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Sequential):
    """Convolution over frames → BatchNorm → LeakyReLU, ``(B, inputs, T)`` → ``(B, outputs, T)``."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.LeakyReLU(0.2),
        )


class Branch(nn.Sequential):
    """Embeds one kind of feature, optionally halving the number of frames."""

    def __init__(self, inputs: int, filters: int, dropout: float, halve: bool) -> None:
        drop = nn.Dropout1d(dropout)
        super().__init__(
            Conv(inputs, 2 * filters, 1), drop, Conv(2 * filters, filters, 3), drop, Conv(filters, filters, 1),
            nn.MaxPool1d(2) if halve else nn.Identity(), drop,
        )  # fmt: skip


class DDNet(nn.Module):
    """The published network: filters 64, 32 or 16 for 1.8, 0.5 or 0.15 million parameters.

    Args:
        num_joints: V.
        num_classes: K.
        coordinates: coordinates per joint; DD-Net expects ``modality=joint``.
        num_frames: T, an even number.
        filters: width of a branch.
        dropout: channel dropout after each convolution of a branch.
        head_dropout: dropout before the classifier.
    """

    def __init__(
        self, num_joints: int, num_classes: int, coordinates: int, num_frames: int,
        filters: int = 64, dropout: float = 0.1, head_dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.register_buffer("pairs", torch.triu_indices(num_joints, num_joints, offset=1), persistent=False)
        self.distances = Branch(self.pairs.shape[1], filters, dropout, halve=True)
        self.slow = Branch(num_joints * coordinates, filters, dropout, halve=True)
        self.fast = Branch(num_joints * coordinates, filters, dropout, halve=False)
        drop, pool = nn.Dropout1d(dropout), nn.MaxPool1d(2)
        self.body = nn.Sequential(
            Conv(3 * filters, 2 * filters, 3), Conv(2 * filters, 2 * filters, 3), pool, drop,
            Conv(2 * filters, 4 * filters, 3), Conv(4 * filters, 4 * filters, 3), pool, drop,
            Conv(4 * filters, 8 * filters, 3), Conv(8 * filters, 8 * filters, 3), drop,
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(8 * filters, 128, bias=False), nn.BatchNorm1d(128), nn.LeakyReLU(0.2), nn.Dropout(head_dropout),
            nn.Linear(128, 128, bias=False), nn.BatchNorm1d(128), nn.LeakyReLU(0.2), nn.Dropout(head_dropout),
            nn.Linear(128, num_classes),
        )  # fmt: skip

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, C)`` → logits ``(B, K)``; frame times are not used."""
        one, other = self.pairs
        distances = (clips[:, :, one] - clips[:, :, other]).norm(dim=-1)  # (B, T, V (V − 1) / 2)
        poses = clips.flatten(2).transpose(1, 2)  # (B, V·C, T)
        slow = F.pad(poses[:, :, 1:] - poses[:, :, :-1], (0, 1))
        sparse = poses[:, :, ::2]
        fast = F.pad(sparse[:, :, 1:] - sparse[:, :, :-1], (0, 1))
        features = [self.distances(distances.transpose(1, 2)), self.slow(slow), self.fast(fast)]
        return self.classifier(self.body(torch.cat(features, dim=1)).amax(dim=2))
