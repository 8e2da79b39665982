"""Logits of prepared clips, without gradients, on the fast path."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mmn.errors import UserError
from mmn.inference.fused import FusedMMN
from mmn.inference.fused_ensemble import fused
from mmn.inference.prepare import check_modality
from mmn.inference.stream import stream_of, with_stream
from mmn.model.ensemble import MMNEnsemble
from mmn.model.mmn import MMN

ROWS_PER_BATCH = 16_000
"""Rows (clips × frames × joints) per CPU batch, so that features fit the cache; 12 to 24 thousand are equally fast."""


def for_inference(network: nn.Module) -> nn.Module:
    """The network to use for inference, with the current weights of ``network``.

    An ``MMN`` or an ensemble of them is fused: the same logits, several times as fast on a CPU. Any other network (a
    subclass, or one with a custom part) is returned unchanged, as only its own ``forward`` defines it.
    """
    return with_stream(fused(network, FusedMMN), stream_of(network)) if is_plain(network) else network


def is_plain(network: nn.Module) -> TypeGuard[MMN | MMNEnsemble]:
    """Whether the network and all its parts are ours, not custom classes."""
    return isinstance(network, MMN | MMNEnsemble) and all(
        isinstance(part, _NormBase) or type(part).__module__.startswith(("mmn.model.", "torch.nn."))
        for part in network.modules()
    )


@torch.inference_mode()
def infer(network: nn.Module, clips: Tensor, times: Tensor, precision: str = "32") -> Tensor:
    """Logits ``(B, K)`` float32 of ``clips (B, T, V, C)`` and ``times (B, T)``, in evaluation mode.

    Args:
        network: apply ``for_inference`` once for many batches; its mode does not matter.
        clips: joints in network order, on the network's device.
        times: frame times in [-1, 1].
        precision: ``"32"``, or ``"bf16"`` for mixed precision.

    Raises:
        UserError: another precision, unsuitable shapes, or clips of another modality.
    """
    if precision not in ("32", "bf16"):
        raise UserError(f"unknown precision {precision!r}; choose 32 or bf16.")
    if (stream := stream_of(network)) is not None:
        check_modality(stream, clips)
    judge = for_inference(network)
    size = max(1, ROWS_PER_BATCH // max(clips.shape[1:3].numel(), 1) if clips.is_cpu else len(clips))
    with evaluating(judge), torch.autocast(clips.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = [judge(x, t).float() for x, t in zip(clips.split(size), times.split(size), strict=True)]
    return torch.cat(logits)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every part of the network in evaluation mode, and back."""
    trained = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True
