"""Independent parts of the network on a GPU at the same time."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]


def run_scales(pyramid: Callable[[Tensor], list[Tensor]], scales: Sequence[Function], x: Tensor) -> list[Tensor]:
    """``scales`` of the levels of ``pyramid(x)``, the first of which is ``x``: ``[scale(level), …]``.

    While a CUDA graph is being recorded, where no launch costs time, each scale is on a CUDA stream of its own, as the
    kernels of the coarse ones are too small to fill a GPU; the finest scale does not wait for the pyramid.
    """
    if not is_recording(x):
        return [scale(level) for scale, level in zip(scales, pyramid(x), strict=True)]

    def coarse(x: Tensor) -> list[Tensor]:
        outputs = _at_once([_listed(scale) for scale in scales[1:]], pyramid(x)[1:])
        return [y for (y,) in outputs]

    finest, others = _at_once([_listed(scales[0]), coarse], [x, x])
    return [*finest, *others]


def is_recording(x: Tensor) -> bool:
    """Whether the work on ``x`` is being recorded as a CUDA graph."""
    return x.is_cuda and torch.cuda.is_current_stream_capturing()


def _listed(function: Function) -> Callable[[Tensor], list[Tensor]]:
    return lambda x: [function(x)]


def _at_once(functions: Sequence[Callable[[Tensor], list[Tensor]]], inputs: Sequence[Tensor]) -> list[list[Tensor]]:
    """``[function(x), …]``, the first on the current CUDA stream and each other on one of its own.

    The backward pass follows the same streams.
    """
    current = torch.cuda.current_stream()
    streams = [current, *(torch.cuda.Stream() for _ in functions[1:])]
    for stream in streams[1:]:
        stream.wait_stream(current)
    outputs = []
    for stream, function, x in zip(streams, functions, inputs, strict=True):
        with torch.cuda.stream(stream):
            outputs.append(function(x))
    for stream, x, found in zip(streams[1:], inputs[1:], outputs[1:], strict=True):
        current.wait_stream(stream)
        x.record_stream(stream)
        for y in found:
            y.record_stream(current)
    return outputs
