"""Custom networks: one from scratch, one that changes a part of MMN, and one with custom blocks."""

import torch
from torch import Tensor, nn

from mmn.model.block import MMNBlock
from mmn.model.mmn import MMN


class Recurrent(nn.Module):
    """A GRU over the frames, each a vector of coordinates and time; the mean of its states is classified.

    The first four arguments are set by the data; every network receives them by name.
    """

    def __init__(
        self, num_joints: int, num_classes: int, coordinates: int, num_frames: int, hidden: int = 64, layers: int = 1
    ) -> None:
        super().__init__()
        self.frames = nn.GRU(num_joints * coordinates + 1, hidden, layers, batch_first=True)
        self.classifier = nn.Linear(hidden, num_classes)

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, C)``, ``times (B, T)`` → logits ``(B, K)``."""
        states, _ = self.frames(torch.cat([clips.flatten(2), times.unsqueeze(-1)], dim=-1))  # (B, T, hidden)
        return self.classifier(states.mean(dim=1))


class StrongestMoment(MMN):
    """MMN with the maximum of each class over the classified frames, instead of classifying their mean."""

    def classify(self, features: Tensor) -> Tensor:
        """Features ``(B, T', V, C)`` → logits ``(B, K)``."""
        return self.classifier(self.dropout(features.mean(dim=2))).amax(dim=1)


class JointAttention(nn.Module):
    """Mixes the joints of each frame by attention between them, instead of by learned matrices."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries_and_keys = nn.Linear(channels, 2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → the same shape; the channels are ``heads`` consecutive groups."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(2, 3)  # (B, T, heads, V, c)
            for part in (*self.queries_and_keys(x).chunk(2, dim=-1), x)
        )
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(2, 3).flatten(-2)


class AttentiveBlock(MMNBlock):
    """MMN's block with joints mixed by attention."""

    def __init__(
        self, channels: int, num_joints: int, heads: int, mlp_ratio: float, drop_path: float, corrected: bool
    ) -> None:
        super().__init__(channels, num_joints, heads, mlp_ratio, drop_path, corrected)
        self.spatial = JointAttention(channels // 4, heads)


class Attentive(MMN):
    """MMN made of ``AttentiveBlock``."""

    block = AttentiveBlock
