"""The inference-only network: batch normalisations folded into adjacent layers, few passes over memory."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mmn.model.block import MMNBlock
from mmn.model.fusion import MotionConsistencyFusion
from mmn.model.kernels import (
    as_product,
    centre,
    convolve_by_matrix,
    convolve_frames,
    map_channels,
    pad_replicate,
    single_precision,
)
from mmn.model.layers import TemporalConv
from mmn.model.modulation import SkeletalModulation, TemporalModulation
from mmn.model.sizes import check_input
from mmn.model.streams import run_scales

if TYPE_CHECKING:
    from mmn.model.mmn import MMN


class FusedMMN(nn.Module):
    """An ``MMN`` for inference: the same logits, no gradients, its own copy of the weights.

    Args:
        network: in any mode; its evaluation mode is computed.
    """

    def __init__(self, network: "MMN") -> None:
        super().__init__()
        self.config = dict(network.config)
        self.embedding = deepcopy(network.embedding)
        steps: Any = network.pyramid.steps
        self.pyramid = FusedPyramid(Map(step.conv, step.norm) for step in steps)
        scales: Any = network.scales
        self.scales = nn.ModuleList(nn.Sequential(*(FusedBlock(block) for block in scale)) for scale in scales)
        self.fusion = FusedFusion(network.fusion)
        self.classifier = deepcopy(network.classifier)
        self.requires_grad_(False).eval()

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, coordinates)``, ``times (B, T)`` → logits ``(B, K)``."""
        check_input(self.config, clips, times)
        with single_precision(clips):
            x = self.embedding(clips.float(), times.float())
        features = self.fusion(run_scales(self._levels, list(self.scales), x))
        return self.classifier(features.mean(dim=(1, 2)))

    def _levels(self, x: Tensor) -> list[Tensor]:
        """The embedding ``(B, T, V, C)`` at every scale, ``(B, T / 2**i, V, C)``."""
        with single_precision(x):
            return self.pyramid(x)


class FusedPyramid(nn.ModuleList):
    """``TemporalPyramid`` in evaluation mode."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, T, V, C)`` → the same at every scale, ``(B, T / 2**i, V, C)``."""
        levels = [x]
        for step in self:
            levels.append(step(pad_replicate(levels[-1], 1, 1)))
        return levels


class FusedBlock(nn.Module):
    """``MMNBlock`` in evaluation mode."""

    graph: Tensor

    def __init__(self, block: MMNBlock) -> None:
        super().__init__()
        self.corrected, self.mix_joints = block.corrected, block.msm.mix_joints
        self.quarter = block.temporal.out_channels
        half = 2 * self.quarter
        self.branch_norm, self.mlp_norm = deepcopy(block.branch_norm), deepcopy(block.mlp_norm)
        self.static, self.moving = Map(block.split, rows=slice(half)), Map(block.split, rows=slice(half, None))
        self.moving.bias.zero_()  # it cancels in the difference
        self.spatial, self.temporal = deepcopy(block.spatial), Map(block.temporal)
        self.motion = Map(block.motion.conv, block.motion.norm)
        graph = block.msm.graph.detach().clone()
        self.register_buffer("graph", graph if self.mix_joints else graph.sum(dim=0).unsqueeze(-1))
        self.msm, self.mtm = FusedModulation(block.msm), FusedModulation(block.mtm)
        self.gate_reduce, self.gate_expand = Map(block.gate.reduce, block.gate.norm), Map(block.gate.expand)
        self.merge, self.project = Map(block.merge, block.merge_norm), Map(block.project)
        self.expand, self.shrink = Map(block.mlp.expand), Map(block.mlp.shrink)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → ``(B, T, V, C)``."""
        y = self.branch_norm(x)
        spatial, temporal = self.static(y).chunk(2, dim=-1)  # (B, T, V, C/4) each
        spatial, temporal = self.spatial(spatial), self.temporal(temporal)
        if torch.is_autocast_enabled(x.device.type):  # see static_and_difference
            difference = self.moving(frame_difference(y.float()))
        else:
            difference = frame_difference(self.moving(y))
        motion = gelu_(self.motion(difference))  # (B, T, V, C/2)

        branches = motion.new_empty(x.shape)
        q = self.quarter
        graphed = torch.matmul(self.graph.to(motion.dtype), motion) if self.mix_joints else motion * self.graph
        self.mtm(temporal, motion, out=branches[..., :q])
        self.msm(spatial, graphed.to(motion.dtype), out=branches[..., q : 2 * q])
        branches[..., 2 * q :] = motion
        gate = self.gate_expand(self.gate_reduce(branches).relu_()).sigmoid_()
        if self.corrected:
            temporal, spatial = branches[..., :q], branches[..., q : 2 * q]
        torch.mul(temporal, gate[..., :1], out=branches[..., :q])
        torch.mul(spatial, gate[..., 1:2], out=branches[..., q : 2 * q])
        torch.mul(motion, gate[..., 2:], out=branches[..., 2 * q :])

        x = x + self.project(gelu_(self.merge(branches)))
        return x.add_(self.shrink(gelu_(self.expand(self.mlp_norm(x)))))


class FusedModulation(nn.Module):
    """MSM or MTM with its modulation; ``BN(tanh(z))`` is an affine map of ``σ(2z)``."""

    gamma_scale: Tensor
    gamma_shift: Tensor
    beta_scale: Tensor
    beta_shift: Tensor

    def __init__(self, modulation: SkeletalModulation | TemporalModulation) -> None:
        super().__init__()
        self.map = Map(modulation.linear if isinstance(modulation, SkeletalModulation) else modulation.conv, factor=2)
        scale, shift = affine(modulation.norm)
        scale, shift = 2 * scale, shift - scale  # tanh(z) = 2 σ(2z) − 1
        for name, part in (("scale", scale), ("shift", shift)):
            gamma, beta = part.chunk(2)
            self.register_buffer(f"gamma_{name}", gamma.clone() if name == "scale" else gamma + 1)  # of 1 + γ
            self.register_buffer(f"beta_{name}", beta.clone())

    def forward(self, x: Tensor, motion: Tensor, out: Tensor) -> None:
        """Write ``x (B, T, V, C/4)``, modulated by ``motion (B, T, V, C/2)``, to ``out``."""
        gamma, beta = self.map(motion).sigmoid_().chunk(2, dim=-1)
        centred, spread = centre(x)
        inverse = 1 / spread
        gamma = torch.addcmul(self.gamma_shift * inverse, gamma, self.gamma_scale * inverse)
        torch.addcmul(torch.addcmul(self.beta_shift, beta, self.beta_scale), centred, gamma, out=out)


class FusedFusion(nn.Module):
    """``MotionConsistencyFusion`` in evaluation mode."""

    last_scale: Tensor
    last_shift: Tensor

    def __init__(self, fusion: MotionConsistencyFusion) -> None:
        super().__init__()
        align: Any = list(fusion.align)
        self.align = nn.ModuleList(Map(step.conv, step.norm) for step in align[:-1])
        scale, shift = affine(align[-1].norm)
        self.register_buffer("last_scale", scale)
        self.register_buffer("last_shift", shift)
        self.reduce, self.expand = Map(fusion.gate.reduce, fusion.gate.norm), Map(fusion.gate.expand)
        self.residual = Map(fusion.residual)

    def forward(self, scales: list[Tensor]) -> Tensor:
        """Scales, finest first → fused features ``(B, T/8, V, C)``."""
        aligned = [step(x).relu_() for step, x in zip(self.align, scales[:-1], strict=True)]
        aligned.append(torch.addcmul(self.last_shift, scales[-1], self.last_scale).relu_())
        weights = self.expand(self.reduce(torch.cat(aligned, dim=-1)).relu_()).softmax(dim=-1)
        fused = self.residual(aligned[-1]).float()
        for x, weight in zip(aligned, weights.split(1, dim=-1), strict=True):
            fused += x * weight
        return fused


class Map(nn.Module):
    """A linear map of the channels, or a convolution over time, with its batch normalisation folded in.

    Args:
        layer: a ``Linear`` or ``TemporalConv``.
        norm: its batch normalisation, if any.
        rows: the outputs to keep.
        factor: multiplies the outputs.
    """

    weight: Tensor
    bias: Tensor
    matrix: Tensor  # the weight of a convolution for matrix products, which a GPU uses

    @torch.no_grad()
    def __init__(
        self, layer: Any, norm: nn.Module | None = None, *, rows: slice = slice(None), factor: float = 1.0
    ) -> None:
        super().__init__()
        weight: Any = layer.weight
        bias: Any = layer.bias if layer.bias is not None else weight.new_zeros(len(weight))
        scale, shift = affine(norm) if norm is not None else (torch.ones_like(bias), torch.zeros_like(bias))
        self.register_buffer("weight", (weight * scale.view(-1, *[1] * (weight.ndim - 1)) * factor)[rows].clone())
        self.register_buffer("bias", ((bias * scale + shift) * factor)[rows].clone())
        self.dtype: torch.dtype | None = None  # None: the input's
        self.over_time: Any = None
        if isinstance(layer, TemporalConv):
            self.over_time = (layer.stride[0], int(layer.padding[0]), layer.groups)
            self.register_buffer("matrix", as_product(self.weight, layer.groups).clone(), persistent=False)

    def convert(self, dtype: torch.dtype) -> "Map":
        """Compute in ``dtype`` from now on, whatever the input's; returns itself."""
        self.to(dtype)
        self.dtype = dtype
        return self

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, in)`` → ``(B, T', V, out)``."""
        if self.dtype is not None:
            x = x.to(self.dtype)
        if self.over_time is None:
            return map_channels(x, self.weight, self.bias)
        if x.is_cpu:
            return convolve_frames(x, self.weight, self.bias, *self.over_time)
        return convolve_by_matrix(x, self.matrix, self.bias, self.weight.shape[2], *self.over_time[:2])


@torch.no_grad()
def affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Scale and shift ``(C,)`` equivalent to a batch normalisation in evaluation mode."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale, norm.bias - norm.running_mean * scale


def frame_difference(x: Tensor) -> Tensor:
    """``mmn.model.kernels.frame_difference`` in one pass."""
    difference = torch.empty_like(x)
    torch.sub(x[:, 1:], x[:, :-1], out=difference[:, :-1])
    difference[:, -1] = difference[:, -2] if x.shape[1] > 1 else 0
    return difference


def gelu_(x: Tensor) -> Tensor:
    """GELU in place."""
    return torch.ops.aten.gelu_(x)
