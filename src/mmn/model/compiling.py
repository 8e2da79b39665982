"""torch.compile for the parts of a network."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def parts_of(network: nn.Module) -> list[nn.Module]:
    """Embedding, pyramid, blocks and fusion of a network, or of all ``members`` of an ensemble: what is compiled."""
    if hasattr(network, "members"):
        return [part for member in network.members for part in parts_of(member)]  # type: ignore[union-attr]
    own: Any = network
    return [own.embedding, own.pyramid, *(block for scale in own.scales for block in scale), own.fusion]


def compile_parts(parts: Iterable[nn.Module], backend: str = "inductor") -> None:
    """Compile each part in place, so that names in checkpoints are unchanged. All batches must have the same size."""
    parts = list(parts)
    # Beyond its limit the compiler leaves parts uncompiled. A class of parts has at most as many graphs as there are
    # parts, each with and without gradients, each with and without recomputation.
    limits: Any = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, 4 * len(parts))
    # The convolutions are already channels-last, and layout optimisation corrupts the CPU's heap (2.13).
    options: Any = {"layout_optimization": False} if backend == "inductor" else None
    for part in parts:
        part.compile(dynamic=False, backend=backend, options=options)
