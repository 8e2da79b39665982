"""Independent parts of the network on a GPU at the same time."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]


def run_each(functions: Sequence[Function], inputs: Sequence[Tensor]) -> list[Tensor]:
    """``[function(x), …]``, one after the other."""
    return [function(x) for function, x in zip(functions, inputs, strict=True)]


def is_recording(x: Tensor) -> bool:
    """Whether the work on ``x`` is being recorded as a CUDA graph."""
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


def at_once(functions: Sequence[Function], inputs: Sequence[Tensor]) -> list[Tensor]:
    """``[function(x), …]``, each on a CUDA stream of its own; the backward pass follows the same streams.

    For recording, where no launch costs time: the kernels of the coarse scales are too small to fill a GPU.
    """
    current = torch.cuda.current_stream()
    sides = [torch.cuda.Stream() for _ in functions[1:]]
    for side in sides:
        side.wait_stream(current)
    outputs = []
    for stream, function, x in zip([current, *sides], functions, inputs, strict=True):
        with torch.cuda.stream(stream):
            outputs.append(function(x))
    for side, x, y in zip(sides, inputs[1:], outputs[1:], strict=True):
        current.wait_stream(side)
        x.record_stream(side)
        y.record_stream(current)
    return outputs
