"""Logits of prepared clips, without gradients."""

import torch
from torch import Tensor, nn

from mmn.errors import UserError


@torch.inference_mode()
def infer(network: nn.Module, clips: Tensor, times: Tensor, precision: str = "32") -> Tensor:
    """Logits ``(B, K)`` float32 of ``clips (B, T, V, C)`` and ``times (B, T)``, in evaluation mode.

    Args:
        network: an ``MMN``; its mode is restored afterwards.
        clips: joints in network order, on the network's device.
        times: frame times in [-1, 1].
        precision: ``"32"``, or ``"bf16"`` for mixed precision.

    Raises:
        UserError: another precision.
    """
    if precision not in ("32", "bf16"):
        raise UserError(f"there is no precision {precision!r} for inference; choose 32 or bf16.")
    training = network.training
    network.eval()
    try:
        with torch.autocast(clips.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            return network(clips, times).float()
    finally:
        network.train(training)
