"""Logits of prepared clips, without gradients, by the fast path."""

import torch
from torch import Tensor

from mmn.errors import UserError
from mmn.inference.fused import FusedMMN
from mmn.model.mmn import MMN

CLIPS_AT_A_TIME = 16
"""On a CPU; more would leave its cache."""


@torch.inference_mode()
def infer(network: MMN | FusedMMN, clips: Tensor, times: Tensor, precision: str = "32") -> Tensor:
    """Logits ``(B, K)`` float32 of ``clips (B, T, V, C)`` and ``times (B, T)``, in evaluation mode.

    Args:
        network: fuse it once (``network.fuse()``) where many batches are to come; its mode does not matter.
        clips: joints in network order, on the network's device.
        times: frame times in [-1, 1].
        precision: ``"32"``, or ``"bf16"`` for mixed precision.

    Raises:
        UserError: another precision, or shapes the network cannot take.
    """
    if precision not in ("32", "bf16"):
        raise UserError(f"there is no precision {precision!r} for inference; choose 32 or bf16.")
    fused = network.fuse() if isinstance(network, MMN) else network
    size = CLIPS_AT_A_TIME if clips.is_cpu else max(len(clips), 1)
    with torch.autocast(clips.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = [fused(x, t).float() for x, t in zip(clips.split(size), times.split(size), strict=False)]
    return torch.cat(logits)
