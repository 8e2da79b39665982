"""Activation checkpointing: less memory, more time."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """``block(x)``, with inner features recomputed in the backward pass."""
    output: Any = checkpoint(block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), counted_once(block)))
    return output


@contextmanager
def counted_once(block: nn.Module) -> Iterator[None]:
    """Freeze running statistics of batch normalisations: the first pass has already updated them."""
    norms: list[Any] = [module for module in block.modules() if isinstance(module, _NormBase)]
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)
