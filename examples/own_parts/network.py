"""Custom networks: one from scratch, and one that changes a part of MMN."""

import torch
from torch import Tensor, nn

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
