"""Inference on a GPU, compiled and recorded as a CUDA graph: one launch a batch instead of hundreds."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from mmn.errors import UserError
from mmn.inference.fused_ensemble import fused
from mmn.inference.gpu import GpuMMN
from mmn.inference.infer import evaluating, is_plain
from mmn.inference.stream import stream_of, with_stream
from mmn.model.ensemble import MMNEnsemble
from mmn.model.mmn import MMN

WARM_UP = 3
"""Batches that run before recording, in which libraries and the compiler prepare."""


class RecordedInference(nn.Module):
    """Stands in for a network in inference: records its first batch on a GPU, and replays it for every later one.

    Args:
        network: with its current weights; an ``MMN`` or an ensemble is copied, any other network is used as it is.
        precision: ``"32"`` or ``"bf16"``.
        compiled: whether to compile it.
    """

    def __init__(self, network: nn.Module, precision: str = "32", *, compiled: bool = True) -> None:
        super().__init__()
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.copies = is_plain(network)
        self.network = _copy(network, self.dtype) if is_plain(network) else network
        with_stream(self, stream_of(network))
        if compiled:
            getattr(self.network, "compile_parts", self.network.compile)()
        self._recorded: tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor] | None = None

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take over the current weights of the network."""
        if self.copies:
            assert is_plain(network)
            fresh = _copy(network, self.dtype)
            for own, new in zip(_tensors(self.network), _tensors(fresh), strict=True):
                own.copy_(new)

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, C)``, ``times (B, T)`` → logits ``(B, K)`` in evaluation mode, without gradients.

        Raises:
            UserError: the network cannot be recorded.
        """
        if not clips.is_cuda:
            return self._run(clips, times)
        if self._recorded is None or len(clips) > len(self._recorded[1]):
            with recording(self.network):
                self._recorded = self._record(clips, times)
        graph, clips_in, times_in, logits = self._recorded
        count = len(clips)  # in a smaller batch, the clips of an earlier one remain at the end
        clips_in[:count].copy_(clips)
        times_in[:count].copy_(times)
        graph.replay()
        return logits[:count].clone()

    def _run(self, clips: Tensor, times: Tensor) -> Tensor:
        mixed = self.dtype == torch.bfloat16 and not self.copies
        with (
            evaluating(self.network),
            torch.no_grad(),
            torch.autocast(clips.device.type, dtype=self.dtype if mixed else None, enabled=mixed, cache_enabled=False),
        ):
            return self.network(clips, times).float()

    def _record(self, clips: Tensor, times: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]:
        with torch.inference_mode(False):  # or only batches in inference mode could be copied in later
            clips_in, times_in = clips.clone(), times.clone()
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._run(clips_in, times_in)
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph):
            logits = self._run(clips_in, times_in)
        return graph, clips_in, times_in, logits


@contextmanager
def recording(network: nn.Module) -> Iterator[None]:
    """Say in one sentence why a network cannot be recorded.

    Raises:
        UserError: it cannot be.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise UserError(
            f"{type(network).__name__} cannot be recorded as a CUDA graph: {str(error).splitlines()[0]}; "
            "leave out compile=true and cuda_graphs=true."
        ) from error


def is_compiled(network: nn.Module) -> bool:
    """Whether any part of a network is compiled."""
    parts: Any = network.modules()
    return any(part._compiled_call_impl is not None for part in parts)


def _copy(network: MMN | MMNEnsemble, dtype: torch.dtype) -> nn.Module:
    with torch.inference_mode(False):  # a validation runs in inference mode, whose tensors cannot be updated later
        return fused(network, partial(GpuMMN, dtype=dtype))


def _tensors(network: nn.Module) -> list[Tensor]:
    return list(chain(network.parameters(), network.buffers()))
