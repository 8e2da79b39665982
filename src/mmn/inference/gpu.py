"""The inference-only network for a GPU: what reads the same features is one matrix product, and everything is compiled.

A GPU spends its time moving features through memory. So convolutions over time are products whose partial results are
shifted and added where they are used, and the products' own epilogues compute the activations.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.inference.fused import FusedBlock, FusedMMN, FusedModulation, Map
from mmn.model.compiling import compile_parts, parts_of
from mmn.model.kernels import block_diagonal, centre, frame_difference

if TYPE_CHECKING:
    from mmn.model.mmn import MMN


class GpuMMN(FusedMMN):
    """A ``FusedMMN`` for a GPU: the same logits, features of the blocks in ``dtype``; motion stays in float32.

    Args:
        network: in any mode; its evaluation mode is computed.
        dtype: float32, or bfloat16, in which activations are GELU's tanh approximation (below its resolution).
    """

    def __init__(self, network: "MMN", dtype: torch.dtype = torch.float32) -> None:
        super().__init__(network)
        scales: Any = self.scales
        self.scales = nn.ModuleList(nn.Sequential(*(GpuBlock(block, dtype) for block in scale)) for scale in scales)
        for part in self.fusion.modules():
            if isinstance(part, Map):
                part.convert(dtype)
        self.requires_grad_(False).eval()

    def compile_parts(self, backend: str = "inductor") -> None:
        """Compile the network's parts, in place. All batches must have the same size."""
        compile_parts(parts_of(self), backend)


class GpuBlock(nn.Module):
    """``MMNBlock`` in evaluation mode on a GPU, from the folded weights of a ``FusedBlock``."""

    static: Tensor
    static_bias: Tensor
    temporal_bias: Tensor
    moving: Tensor
    following: Tensor
    graph: Tensor
    msm_weight: Tensor
    msm_bias: Tensor
    mtm_bias: Tensor

    @torch.no_grad()
    def __init__(self, fused: FusedBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.quarter, self.corrected = dtype, fused.quarter, fused.corrected
        self.branch_norm, self.mlp_norm = fused.branch_norm, fused.mlp_norm
        q = self.quarter
        spatial, temporal = fused.static.weight.split(q)
        spatial_bias, temporal_bias = fused.static.bias.split(q)
        dense = block_diagonal(fused.temporal.weight, fused.temporal.over_time[2])[..., 0]
        taps = dense.unbind(-1)  # (q, q) each: of the previous, own and next frame
        msm, mtm = fused.msm.map, fused.mtm.map
        first = [spatial, *(tap @ temporal for tap in taps)]
        first_bias = [spatial_bias, *(tap @ temporal_bias for tap in taps)]
        second = mtm.matrix.unflatten(1, (3, 2 * q)).unbind(1)
        low = {
            "static": torch.cat(first),
            "static_bias": torch.cat(first_bias),
            "moving": fused.moving.weight,
            "following": torch.cat([*second, *([] if fused.mix_joints else [msm.weight])]),  # of motion
            "msm_weight": msm.weight,
        }
        for name, value in low.items():
            self.register_buffer(name, value.to(dtype, copy=True))
        self.mix_joints = fused.mix_joints
        self.register_buffer("graph", fused.graph.to(dtype, copy=True) if fused.mix_joints else fused.graph)
        self.register_buffer("temporal_bias", fused.temporal.bias)
        self.register_buffer("msm_bias", msm.bias)
        self.register_buffer("mtm_bias", mtm.bias)
        self.spatial, self.motion = fused.spatial.to(dtype), fused.motion
        self.msm, self.mtm = fused.msm, fused.mtm
        self.gate_reduce, self.gate_expand = fused.gate_reduce.convert(dtype), fused.gate_expand.convert(dtype)
        self.merge, self.project = fused.merge.convert(dtype), fused.project.convert(dtype)
        self.expand, self.shrink = fused.expand.convert(dtype), fused.shrink.convert(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` float32 → the same."""
        q, dtype = self.quarter, self.dtype
        y = self.branch_norm(x)
        static = F.linear(y.to(dtype), self.static, self.static_bias)
        spatial = self.spatial(static[..., :q])  # (B, T, V, C/4), as is temporal
        temporal = (sum_of_taps(*static[..., q:].float().chunk(3, dim=-1)) + self.temporal_bias).to(dtype)
        motion = self._motion(F.linear(frame_difference(y).to(dtype), self.moving))  # (B, T, V, C/2)

        following = F.linear(motion, self.following)
        z_mtm = sum_of_taps(*following[..., : 6 * q].float().chunk(3, dim=-1)) + self.mtm_bias
        if self.mix_joints:
            z_msm = F.linear(torch.matmul(self.graph, motion), self.msm_weight) + self.msm_bias
        else:
            z_msm = following[..., 6 * q :] * self.graph + self.msm_bias
        modulated_temporal = modulated(self.mtm, temporal, z_mtm).to(dtype)
        modulated_spatial = modulated(self.msm, spatial, z_msm).to(dtype)
        branches = torch.cat([modulated_temporal, modulated_spatial, motion], dim=-1)
        gate = self.gate_expand(activated(self.gate_reduce, branches, gelu=False)).sigmoid()
        if self.corrected:
            temporal, spatial = modulated_temporal, modulated_spatial
        parts = [temporal * gate[..., :1], spatial * gate[..., 1:2], motion * gate[..., 2:]]
        gated = torch.cat([part.to(dtype) for part in parts], dim=-1)

        x = x + self.project(activated(self.merge, gated))
        return x + self.shrink(activated(self.expand, self.mlp_norm(x).to(dtype)))

    def _motion(self, x: Tensor) -> Tensor:
        """The depthwise convolution over time and GELU of ``x (B, T, V, C/2)``."""
        taps = [x * factor for factor in self.motion.matrix.unbind()]
        return F.gelu(sum_of_taps(*taps) + self.motion.bias).to(x.dtype)


def sum_of_taps(before: Tensor, own: Tensor, after: Tensor) -> Tensor:
    """A convolution from its products with the previous, own and next frame, ``(B, T, V, C)`` each; zeros outside."""
    return F.pad(before[:, :-1], (0, 0, 0, 0, 1, 0)) + own + F.pad(after[:, 1:], (0, 0, 0, 0, 0, 1))


def modulated(modulation: FusedModulation, x: Tensor, z: Tensor) -> Tensor:
    """``x (B, T, V, C/4)``, standardised per clip and channel, modulated by the map ``z (B, T, V, C/2)`` of motion."""
    gamma, beta = z.float().sigmoid().chunk(2, dim=-1)
    centred, spread = centre(x)
    scale = modulation.gamma_shift + gamma * modulation.gamma_scale
    return modulation.beta_shift + beta * modulation.beta_scale + centred / spread * scale


def activated(layer: Map, x: Tensor, gelu: bool = True) -> Tensor:
    """GELU, or ReLU, of ``layer(x)`` for ``x (B, T, V, in)`` → ``(B, T, V, out)``."""
    if gelu and x.dtype == torch.float32:
        return F.gelu(layer(x))
    flat = torch._addmm_activation(layer.bias, x.flatten(0, 2), layer.weight.t(), use_gelu=gelu)
    return flat.unflatten(0, x.shape[:3])
