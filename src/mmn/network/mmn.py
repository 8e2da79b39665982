"""The Motion-guided Modulation Network, whole."""

from typing import Any

import torch
from torch import Tensor, nn

from mmn.errors import UserError
from mmn.network.block import MMNBlock
from mmn.network.embedding import SkeletonEmbedding
from mmn.network.fusion import MotionConsistencyFusion
from mmn.network.pyramid import TemporalPyramid


class MMN(nn.Module):
    """Motion-guided Modulation Network for skeleton-based micro-action recognition (arXiv 2507.21977).

    ``net(clips (B, T, V, coordinates), times (B, T)) → logits (B, num_classes)``, joints in network order, frame
    times in [-1, 1]. With the defaults the network computes what the official code computes.

    Args:
        num_joints: joints V of the layout.
        num_classes: actions K.
        coordinates: 2 or 3.
        num_frames: sampled frames T, a multiple of ``2 ** (scales - 1)``.
        width: embedding channels C, a multiple of ``4 * heads``.
        depth: blocks in each scale.
        scales: levels of the temporal pyramid.
        heads: joint-mixing matrices in a block.
        mlp_ratio: hidden width of the MLP over C.
        drop_path: stochastic depth of the last block; it rises linearly from 0 over all blocks.
        dropout: dropout before the classifier and after the fusion.
        corrected: False keeps two places where the official code does not do what it describes (the joints are
            not mixed in MSM; the gate multiplies the unmodulated branches), which official weights need.

    Raises:
        UserError: sizes that do not fit together.
    """

    def __init__(
        self,
        num_joints: int,
        num_classes: int,
        *,
        coordinates: int = 2,
        num_frames: int = 64,
        width: int = 96,
        depth: int = 3,
        scales: int = 4,
        heads: int = 4,
        mlp_ratio: float = 2.0,
        drop_path: float = 0.3,
        dropout: float = 0.1,
        corrected: bool = False,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "num_joints": num_joints,
            "num_classes": num_classes,
            "coordinates": coordinates,
            "num_frames": num_frames,
            "width": width,
            "depth": depth,
            "scales": scales,
            "heads": heads,
            "mlp_ratio": mlp_ratio,
            "drop_path": drop_path,
            "dropout": dropout,
            "corrected": corrected,
        }
        check_sizes(self.config)
        self.embedding = SkeletonEmbedding(coordinates, num_joints, width)
        self.pyramid = TemporalPyramid(width, scales)
        rates = iter(torch.linspace(0, drop_path, scales * depth).tolist())
        self.scales = nn.ModuleList(
            nn.Sequential(
                *(MMNBlock(width, num_joints, heads, mlp_ratio, next(rates), corrected) for _ in range(depth))
            )
            for _ in range(scales)
        )
        self.fusion = MotionConsistencyFusion(width, scales, dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)

    def features(self, clips: Tensor, times: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Fused features ``(B, T/8, V, C)`` and those of each scale, aligned to the same shape."""
        self._check_input(clips, times)
        pyramid = self.pyramid(self.embedding(clips, times))  # (B, T / 2**i, V, C)
        return self.fusion([blocks(x) for blocks, x in zip(self.scales, pyramid, strict=True)])

    def classify(self, features: Tensor) -> Tensor:
        """Features ``(B, T', V, C)`` → logits ``(B, K)``, through the mean over frames and joints."""
        return self.classifier(self.dropout(features.mean(dim=(1, 2))))

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, coordinates)``, ``times (B, T)`` → logits ``(B, K)``."""
        fused, _ = self.features(clips, times)
        return self.classify(fused)

    def forward_scales(self, clips: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, K)`` of the fused features and ``(S, B, K)`` of each scale, by the one classifier."""
        fused, aligned = self.features(clips, times)
        return self.classify(fused), torch.stack([self.classify(x) for x in aligned])

    def _check_input(self, clips: Tensor, times: Tensor) -> None:
        t, v, c = (self.config[key] for key in ("num_frames", "num_joints", "coordinates"))
        if clips.ndim != 4 or tuple(clips.shape[1:]) != (t, v, c) or times.shape != clips.shape[:2]:
            raise UserError(
                f"the network takes clips (B, {t}, {v}, {c}) with times (B, {t}), "
                f"and was given {tuple(clips.shape)} with {tuple(times.shape)}; prepare them with mmn.prepare "
                "and the layout the network was trained with."
            )


def check_sizes(config: dict[str, Any]) -> None:
    """Refuse sizes from which no network can be built.

    Raises:
        UserError: naming the size, its value and what it has to be.
    """
    for key in ("num_joints", "num_classes", "depth", "scales", "heads"):
        if config[key] < 1:
            raise UserError(f"the network's {key} is {config[key]}; it has to be at least 1.")
    if config["coordinates"] not in (2, 3):
        raise UserError(f"the network's coordinates is {config['coordinates']}; joints have 2 or 3 coordinates.")
    if config["width"] < 1 or config["width"] % (4 * config["heads"]):
        raise UserError(
            f"the network's width is {config['width']}; with {config['heads']} heads it has to be a multiple of "
            f"{4 * config['heads']} (4 × heads)."
        )
    factor = 2 ** (config["scales"] - 1)
    if config["num_frames"] < 1 or config["num_frames"] % factor:
        raise UserError(
            f"the network's num_frames is {config['num_frames']}; with {config['scales']} scales it has to be "
            f"a multiple of {factor}."
        )
    for key in ("drop_path", "dropout"):
        if not 0 <= config[key] < 1:
            raise UserError(f"the network's {key} is {config[key]}; it is a probability, at least 0 and below 1.")
    if int(config["width"] * config["mlp_ratio"]) < 1:
        raise UserError(f"the network's mlp_ratio is {config['mlp_ratio']}; it has to leave the MLP a channel.")
