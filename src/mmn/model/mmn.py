"""The complete Motion-guided Modulation Network."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mmn.model.block import JointMixing, MMNBlock
from mmn.model.compiling import compile_parts, parts_of
from mmn.model.embedding import SkeletonEmbedding
from mmn.model.fusion import MotionConsistencyFusion
from mmn.model.kernels import single_precision
from mmn.model.modulation import SkeletalModulation
from mmn.model.pyramid import TemporalPyramid
from mmn.model.recompute import recomputed
from mmn.model.sizes import check_input, check_sizes
from mmn.model.streams import run_scales


class MMN(nn.Module):
    """Motion-guided Modulation Network for skeleton-based micro-action recognition (arXiv 2507.21977).

    ``net(clips (B, T, V, coordinates), times (B, T)) → logits (B, num_classes)``, joints in network order, frame
    times in [-1, 1]. With the defaults the network computes what the official code computes.

    Args:
        num_joints: joints V of the layout.
        num_classes: actions K.
        coordinates: per joint, 2 or 3; or the channels of several streams.
        num_frames: sampled frames T, a multiple of ``2 ** (scales - 1)``.
        width: embedding channels C, a multiple of ``4 * heads``.
        depth: blocks in each scale.
        scales: levels of the temporal pyramid.
        heads: joint-mixing matrices per block.
        mlp_ratio: hidden width of the MLP relative to C.
        drop_path: stochastic depth of the last block; it rises linearly from 0 over all blocks.
        dropout: dropout before the classifier and after the fusion.
        lift: hidden widths of the embedding; None for the official 2 and 3 times the coordinates.
        corrected: False reproduces two deviations of the official code from its description (MSM does not mix
            joints; the gate multiplies the unmodulated branches), which official weights need.
        freeze_biases: do not train biases that a following batch normalisation cancels: their gradients are
            rounding noise, which Adam follows at full rate. False as in the official code.

    Raises:
        UserError: sizes that do not fit together.
    """

    block: type[nn.Module] = MMNBlock
    """Class of the blocks; a subclass of the network may name another, with the same arguments."""

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
        lift: Sequence[int] | None = None,
        corrected: bool = False,
        freeze_biases: bool = False,
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
            "lift": None if lift is None else list(lift),
            "corrected": corrected,
            "freeze_biases": freeze_biases,
        }
        check_sizes(self.config)
        self.recompute = False  # True: recompute block features in the backward pass to save memory
        self.embedding = SkeletonEmbedding(coordinates, num_joints, width, lift)
        self.pyramid = TemporalPyramid(width, scales)
        rates = iter(torch.linspace(0, drop_path, scales * depth).tolist())
        self.scales = nn.ModuleList(
            nn.Sequential(
                *(self.block(width, num_joints, heads, mlp_ratio, next(rates), corrected) for _ in range(depth))
            )
            for _ in range(scales)
        )
        self.fusion = MotionConsistencyFusion(width, scales, dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)
        for bias in self.cancelled_biases():
            bias.requires_grad_(not freeze_biases)

    def cancelled_biases(self) -> list[Tensor]:
        """Biases of the layers directly followed by a batch normalisation."""
        pairs = [*self.pyramid.steps, *self.fusion.align]
        layers = [pair.conv for pair in pairs] + [self.fusion.gate.reduce]
        return [layer.bias for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None]

    def joint_axes(self) -> dict[str, tuple[int, ...]]:
        """Joint axes of the state-dict entries that have any: the position table and the joint graphs."""
        axes: dict[str, tuple[int, ...]] = {}
        for name, module in self.named_modules():
            if isinstance(module, SkeletonEmbedding):
                axes[f"{name}.position"] = (0,)
            elif isinstance(module, JointMixing):
                axes[f"{name}.matrices"] = (1, 2)
            elif isinstance(module, SkeletalModulation):
                axes[f"{name}.graph"] = (0, 1)
        return axes

    def channel_axes(self) -> dict[str, tuple[int, ...]]:
        """Input-channel axes of the state-dict entries that have any: the first layer's weight."""
        return {"embedding.lift.0.weight": (1,)}

    def scaling_graphs(self) -> list[str]:
        """The joint graphs that act only through their column sums, as they scale joints without mixing them."""
        return [
            f"{name}.graph"
            for name, module in self.named_modules()
            if isinstance(module, SkeletalModulation) and not module.mix_joints
        ]

    def stages(self) -> list[list[nn.Module]]:
        """The network's parts from input to output; parallel blocks, of the same depth, form one stage."""
        blocks: list[list[nn.Module]] = [list(stage) for stage in zip(*self.scales, strict=True)]
        return [[self.embedding, self.pyramid], *blocks, [self.fusion], [self.classifier]]

    def features(self, clips: Tensor, times: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Fused features ``(B, T/8, V, C)`` and those of each scale, aligned to the same shape."""
        check_input(self.config, clips, times)
        with single_precision(clips):
            x = self.embedding(clips.float(), times.float())  # (B, T, V, C)
        return self.fusion(run_scales(self._levels, [partial(self._run, blocks) for blocks in self.scales], x))

    def _levels(self, x: Tensor) -> list[Tensor]:
        """The embedding ``(B, T, V, C)`` at every scale, ``(B, T / 2**i, V, C)``."""
        with single_precision(x):
            return self.pyramid(x)

    def _run(self, blocks: nn.Module, x: Tensor) -> Tensor:
        """``blocks(x)``, with recomputation in training if requested."""
        if not (self.recompute and self.training):
            return blocks(x)
        for block in blocks:  # type: ignore[attr-defined]
            x = recomputed(block, x)
        return x

    def classify(self, features: Tensor) -> Tensor:
        """Features ``(B, T', V, C)`` → logits ``(B, K)``, through the mean over frames and joints."""
        return self.classifier(self.dropout(features.mean(dim=(1, 2))))

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, coordinates)``, ``times (B, T)`` → logits ``(B, K)``."""
        fused, _ = self.features(clips, times)
        return self.classify(fused)

    def forward_with_scale_logits(self, clips: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, K)`` of the fused features and ``(S, B, K)`` of each scale, by the shared classifier."""
        fused, aligned = self.features(clips, times)
        return self.classify(fused), torch.stack([self.classify(x) for x in aligned])

    def fuse(self) -> nn.Module:
        """The network for inference with the current weights; see ``mmn.inference.infer.for_inference``."""
        from mmn.inference.infer import for_inference  # the only upward import, for convenience

        return for_inference(self)

    def compile_parts(self, backend: str = "inductor") -> None:
        """Compile the network's parts with ``torch.compile``, in place; one graph for each scale.

        Names in checkpoints are unchanged. All batches must have the same size.
        """
        compile_parts(parts_of(self), backend)
