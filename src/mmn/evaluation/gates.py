"""Gate weights of a network: for its branches, over joints and time, and for its temporal scales."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmn.model.fusion import ScaleGate
from mmn.model.gate import BranchGate

BRANCHES = ("temporal", "spatial", "motion")


@dataclass(frozen=True)
class Gates:
    """Weights, averaged over all blocks.

    Attributes:
        joints: ``(B, 3, V)`` mean over time of each branch, joints in network order, 0–1.
        times: ``(B, 3, T)`` mean over joints of each branch; coarser scales are upsampled to T.
        scales: ``(B, S)`` weight of each temporal scale, finest first, summing to 1.
    """

    joints: Tensor
    times: Tensor
    scales: Tensor


def has_gates(network: nn.Module) -> bool:
    """Whether a network has the gates that ``gate_weights`` reads."""
    kinds = {type(module) for module in network.modules()}
    return {BranchGate, ScaleGate} <= kinds


def gate_weights(network: nn.Module, clips: Tensor, times: Tensor) -> Gates:
    """The gates for prepared ``clips (B, T, V, C)`` and ``times (B, T)``, read by hooks in one forward pass."""
    branches: list[Tensor] = []
    scales: list[Tensor] = []
    hooks = []
    for module in network.modules():
        if isinstance(module, BranchGate):
            hooks.append(module.register_forward_hook(lambda _, __, out: branches.append(out.float().cpu())))
        elif isinstance(module, ScaleGate):
            hooks.append(module.register_forward_hook(lambda _, __, out: scales.append(out.float().cpu())))
    try:
        with torch.inference_mode():
            network(clips, times)
    finally:
        for hook in hooks:
            hook.remove()
    frames = clips.shape[1]
    stretched = [w.repeat_interleave(frames // w.shape[1], dim=1) for w in branches]  # (B, T, V, 3)
    mean = torch.stack(stretched).mean(dim=0)
    return Gates(
        joints=mean.mean(dim=1).transpose(1, 2),
        times=mean.mean(dim=2).transpose(1, 2),
        scales=scales[0].mean(dim=(1, 2)),
    )
