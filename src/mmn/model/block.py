"""One block of the network: static and motion halves, modulation, gated aggregation, MLP."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.model.gate import BranchGate
from mmn.model.kernels import static_and_difference
from mmn.model.layers import DropPath, Linear, Mlp, TemporalConv, normalise_channels
from mmn.model.modulation import SkeletalModulation, TemporalModulation, modulate
from mmn.model.motion import MotionBranch


class JointMixing(nn.Module):
    """Per head, a learned matrix mixes the joints: ``out_v = Σ_u matrix[v, u] · in_u``."""

    def __init__(self, num_joints: int, heads: int) -> None:
        super().__init__()
        self.matrices = nn.Parameter(torch.empty(heads, num_joints, num_joints))
        nn.init.trunc_normal_(self.matrices, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C/4)`` → the same shape; the channels are ``heads`` consecutive groups."""
        per_head = x.unflatten(-1, (self.matrices.shape[0], -1))  # (B, T, U, heads, c)
        return torch.einsum("hvu,btuhc->btvhc", self.matrices.to(x.dtype), per_head).flatten(-2)


class MMNBlock(nn.Module):
    """A motion-guided modulation block (official counterpart: ``MFM.i.blocks.j``).

    ``corrected=False`` reproduces the official code, where the gate is *computed* from the modulated branches but
    multiplies the unmodulated ones, and MSM never mixes joints; ``True`` is the method as described.
    """

    def __init__(
        self, channels: int, num_joints: int, heads: int, mlp_ratio: float, drop_path: float, corrected: bool
    ) -> None:
        super().__init__()
        half, quarter = channels // 2, channels // 4
        self.corrected = corrected
        self.branch_norm = nn.LayerNorm(channels)
        self.split = Linear(channels, channels)
        self.spatial = JointMixing(num_joints, heads)
        self.temporal = TemporalConv(quarter, quarter, 3, padding=1, groups=heads)
        self.motion = MotionBranch(half)
        self.msm = SkeletalModulation(half, num_joints, mix_joints=corrected)
        self.mtm = TemporalModulation(half)
        self.gate = BranchGate(channels)
        self.merge = Linear(channels, channels, bias=False)
        self.merge_norm = nn.BatchNorm1d(channels)
        self.project = Linear(channels, channels)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def branches(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → the gated temporal, spatial and motion branches, merged ``(B, T, V, C)``."""
        static, difference = static_and_difference(self.split, x)  # (B, T, V, C/2) each
        spatial, temporal = static.chunk(2, dim=-1)  # (B, T, V, C/4) each
        spatial, temporal = self.spatial(spatial), self.temporal(temporal)
        motion = self.motion(difference)

        modulated_spatial = modulate(spatial, *self.msm(motion))
        modulated_temporal = modulate(temporal, *self.mtm(motion))
        gate = self.gate(torch.cat([modulated_temporal, modulated_spatial, motion], dim=-1))
        if self.corrected:
            spatial, temporal = modulated_spatial, modulated_temporal

        w_temporal, w_spatial, w_motion = gate.split(1, dim=-1)  # (B, T, V, 1) each
        gated = torch.cat([w_temporal * temporal, w_spatial * spatial, w_motion * motion], dim=-1)
        merged = F.gelu(normalise_channels(self.merge_norm, self.merge(gated)))
        return self.project(merged)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, V, C)`` → ``(B, T, V, C)``."""
        x = self.drop_path(x, self.branches(self.branch_norm(x)))
        return self.drop_path(x, self.mlp(self.mlp_norm(x)))
