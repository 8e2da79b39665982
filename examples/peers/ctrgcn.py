"""CTR-GCN: graph convolutions whose topology is refined for each channel (Chen et al., arXiv 2107.12213)."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.data.format.layout import Layout, load_layout


class RefinedGraph(nn.Module):
    """One graph convolution: a shared topology plus a refinement for each channel from pairs of joints."""

    def __init__(self, inputs: int, outputs: int, reduction: int = 8) -> None:
        super().__init__()
        inner = 8 if inputs < 2 * reduction else inputs // reduction
        self.query = nn.Conv2d(inputs, inner, 1)
        self.key = nn.Conv2d(inputs, inner, 1)
        self.value = nn.Conv2d(inputs, outputs, 1)
        self.refine = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor, graph: Tensor, strength: Tensor) -> Tensor:
        """``(B, C, T, V)`` and ``graph (V, V)`` → ``(B, outputs, T, V)``."""
        query, key = self.query(x).mean(dim=2), self.key(x).mean(dim=2)  # (B, inner, V)
        refined = self.refine(torch.tanh(query.unsqueeze(-1) - key.unsqueeze(-2)))  # (B, outputs, V, V)
        return torch.einsum("bcuv,bctv->bctu", refined * strength + graph, self.value(x))


class Spatial(nn.Module):
    """Three refined graphs (self, inward, outward), summed, with a residual."""

    def __init__(self, inputs: int, outputs: int, graphs: Tensor) -> None:
        super().__init__()
        self.graphs = nn.Parameter(graphs.clone())
        self.strength = nn.Parameter(torch.zeros(1))
        self.parts = nn.ModuleList(RefinedGraph(inputs, outputs) for _ in graphs)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.norm.weight, 1e-6)  # a block starts as its residual
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, T, V)`` → ``(B, outputs, T, V)``."""
        mixed = sum(part(x, graph, self.strength) for part, graph in zip(self.parts, self.graphs, strict=True))
        return F.relu(self.norm(mixed) + self.shortcut(x))


class Temporal(nn.Module):
    """Four branches over time: convolutions of dilation 1 and 2, a maximum, and a 1×1 map."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        width = channels // 4

        def branch(*layers: nn.Module, stride: int = 1) -> nn.Sequential:
            first = nn.Conv2d(channels, width, 1, stride=(stride, 1))
            return nn.Sequential(first, nn.BatchNorm2d(width), *layers)

        def dilated(dilation: int) -> nn.Sequential:
            over_time = nn.Conv2d(width, width, (5, 1), (stride, 1), (2 * dilation, 0), (dilation, 1))
            return branch(nn.ReLU(), over_time, nn.BatchNorm2d(width))

        maximum = branch(nn.ReLU(), nn.MaxPool2d((3, 1), (stride, 1), (1, 0)), nn.BatchNorm2d(width))
        self.branches = nn.ModuleList([dilated(1), dilated(2), maximum, branch(stride=stride)])

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, T, V)`` → ``(B, C, T / stride, V)``."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Unit(nn.Module):
    """Spatial, then temporal convolution, optionally with a residual connection."""

    def __init__(self, inputs: int, outputs: int, graphs: Tensor, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        self.spatial, self.temporal = Spatial(inputs, outputs, graphs), Temporal(outputs, stride)
        self.residual, self.shortcut = residual, nn.Sequential()
        if inputs != outputs or stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, (stride, 1)), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, inputs, T, V)`` → ``(B, outputs, T / stride, V)``."""
        y = self.temporal(self.spatial(x))
        return F.relu(y + self.shortcut(x) if self.residual else y)


class CTRGCN(nn.Module):
    """The published network of ten units, 64 to 256 channels wide.

    Args:
        num_joints: V.
        num_classes: K.
        coordinates: channels per joint.
        num_frames: T; halved twice.
        layout: name or YAML file of the layout, for the initial graphs; None to start with self-loops only.
        width: channels of the first units.
        dropout: dropout before the classifier.
    """

    def __init__(
        self, num_joints: int, num_classes: int, coordinates: int, num_frames: int,
        layout: str | None = None, width: int = 64, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        graphs = skeleton_graphs(None if layout is None else load_layout(layout), num_joints)
        self.norm = nn.BatchNorm1d(num_joints * coordinates)
        widths = [width] * 4 + [2 * width] * 3 + [4 * width] * 3
        units = [Unit(coordinates, width, graphs, residual=False)]
        units += [Unit(a, b, graphs, 1 if a == b else 2) for a, b in pairwise(widths)]
        self.units = nn.Sequential(*units)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(4 * width, num_classes)

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, C)`` → logits ``(B, K)``; frame times are not used."""
        x = self.norm(clips.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, clips.shape[2:])
        return self.classifier(self.dropout(self.units(x.permute(0, 3, 1, 2).contiguous()).mean(dim=(2, 3))))


def skeleton_graphs(layout: Layout | None, num_joints: int) -> Tensor:
    """Self, inward and outward graphs ``(3, V, V)`` of joints in network order, each row divided by its sum."""
    inward = np.zeros((num_joints, num_joints), np.float32)
    if layout is not None:
        place = np.argsort(layout.order)
        for joint, towards in enumerate(layout.bone_end("tree")):
            inward[place[towards], place[joint]] = towards != joint
    graphs = np.stack([np.eye(num_joints, dtype=np.float32), inward, inward.T])
    return torch.from_numpy(graphs / np.maximum(graphs.sum(axis=2, keepdims=True), 1.0))
