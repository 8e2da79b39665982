"""Training as CUDA graphs: one launch a batch instead of thousands, which take longer than the work."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mmn.inference.recorded import WARM_UP, recording


class CudaGraphs:
    """Stands in for a network: records each kind of pass at its first batch, and replays it for every later one.

    Weights and statistics are used where they are, so that optimiser, averages and checkpoints are as without it.
    Batches of one kind must have the same size. ``forward_with_scale_logits`` exists if the network has it.

    Args:
        network: on a GPU.
        dtype: of mixed precision in training; None for full precision.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype | None) -> None:
        self.network, self.dtype = network, dtype
        self._recorded: dict[tuple[Any, ...], Callable[[Tensor, Tensor], Any]] = {}
        if hasattr(network, "forward_with_scale_logits"):
            self.forward_with_scale_logits = partial(self._train, "forward_with_scale_logits")

    def __call__(self, clips: Tensor, times: Tensor) -> Tensor:
        """Training: ``clips (B, T, V, C)``, ``times (B, T)`` → logits ``(B, K)``, valid until the next call."""
        return self._train("forward", clips, times)

    def _train(self, method: str, clips: Tensor, times: Tensor) -> Any:
        key = (method, clips.shape)
        if key not in self._recorded:
            with recording(self.network):
                self._recorded[key] = self._record(method, clips, times)
        return self._recorded[key](clips, times)

    def _record(self, method: str, clips: Tensor, times: Tensor) -> Callable[[Tensor, Tensor], Any]:
        training_pass = _Pass(self.network, method)
        kept = [(buffer, buffer.clone()) for buffer in self.network.buffers()]
        random_state = torch.cuda.get_rng_state(clips.device)
        with torch.autocast("cuda", dtype=self.dtype, enabled=self.dtype is not None, cache_enabled=False):
            recorded = torch.cuda.make_graphed_callables(
                training_pass, (clips.clone(), times.clone()), num_warmup_iters=WARM_UP, allow_unused_input=True
            )
        with torch.no_grad():
            for own, before in kept:  # batch statistics of the warm-up
                own.copy_(before)
        torch.cuda.set_rng_state(random_state, clips.device)
        return recorded


class _Pass(nn.Module):
    """One method of a network as a module: recording replaces its ``forward``, not the network's."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self.method = network, method
        self.training = network.training

    def forward(self, clips: Tensor, times: Tensor) -> Any:
        return getattr(self.network, self.method)(clips, times)
