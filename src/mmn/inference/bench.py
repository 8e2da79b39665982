"""The cost of a network: latency, clips/s, parameters, multiply-adds, memory."""

import resource
import sys
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mmn.inference.checkpoint import Checkpoint
from mmn.inference.infer import for_inference, infer
from mmn.inference.live import LiveWindow
from mmn.inference.prepare import prepare
from mmn.inference.stream import Stream


def bench(checkpoint: Checkpoint, device: str, batch: int, repeats: int, precision: str = "32") -> dict[str, float]:
    """Measure a network on random clips, by the code path of evaluation and prediction.

    Args:
        checkpoint: the network and its stream.
        device: ``cpu`` or ``cuda``.
        batch: batch size for clips/s.
        repeats: repetitions of each timing.
        precision: ``"32"`` or ``"bf16"``.

    Returns:
        ``clip_ms_p50`` and ``clip_ms_p95`` of a single clip, ``clips_per_second`` in batches, ``parameters``,
        ``multiply_adds`` per clip of the unfused network, ``peak_memory_mb``: of the GPU, or of this process;
        ``frame_ms_p50`` and ``frame_ms_p95`` of a frame of a stream, unless the weights are official.
    """
    network = checkpoint.network.to(device)
    clips, times = (tensor.to(device) for tensor in _clips(checkpoint, batch))
    counted = _multiply_adds(network, clips[:1], times[:1])
    fused = for_inference(network)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    alone = _milliseconds(fused, clips[:1], times[:1], repeats, precision)
    together = _milliseconds(fused, clips, times, max(3, repeats // batch), precision)
    frames = {} if checkpoint.stream is None else _of_a_stream(fused, checkpoint.stream, device, repeats, precision)
    return {
        "clip_ms_p50": float(np.percentile(alone, 50)),
        "clip_ms_p95": float(np.percentile(alone, 95)),
        **frames,
        "clips_per_second": float(1000 * batch / np.median(together)),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "multiply_adds": counted,
        "peak_memory_mb": _peak_memory(device),
    }


def _of_a_stream(network: nn.Module, stream: Stream, device: str, repeats: int, precision: str) -> dict[str, float]:
    """Time from a frame to its answer, the window over the last frames being full."""
    window = LiveWindow(network, stream, stream.num_frames, device, precision)
    shape = stream.num_frames + repeats, stream.layout.num_joints, stream.coordinates
    elapsed = []
    for frame in np.random.default_rng(0).normal(0, 1, shape).astype(np.float32):
        start = time.perf_counter()
        window(frame)
        elapsed.append(1000 * (time.perf_counter() - start))
    low, high = np.percentile(elapsed[stream.num_frames :], [50, 95])
    return {"frame_ms_p50": float(low), "frame_ms_p95": float(high)}


def _clips(checkpoint: Checkpoint, count: int) -> tuple[Tensor, Tensor]:
    """Random network input; official weights do not record a modality, so joints are assumed."""
    rng, sizes, stream = np.random.default_rng(0), checkpoint.arguments, checkpoint.stream
    frames, joints = sizes["num_frames"], sizes["num_joints"]
    coordinates = sizes["coordinates"] if stream is None else stream.coordinates
    if stream is not None:
        return prepare(list(rng.normal(0, 1, (count, frames, joints, coordinates))), network=checkpoint.network)
    clips = torch.from_numpy(rng.normal(0, 1, (count, frames, joints, coordinates))).float()
    return clips, torch.linspace(-1, 1, frames).repeat(count, 1)


def _multiply_adds(network: nn.Module, clips: Tensor, times: Tensor) -> int:
    """Multiply-adds of matrix products and convolutions; the rest is negligible."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(clips, times)
    return int(counter.get_total_flops()) // 2


def _milliseconds(network: nn.Module, clips: Tensor, times: Tensor, repeats: int, precision: str) -> np.ndarray:
    """Time of each of ``repeats`` calls, after a few warm-up calls."""
    elapsed = []
    for number in range(repeats + 3):
        start = time.perf_counter()
        infer(network, clips, times, precision)
        if clips.is_cuda:
            torch.cuda.synchronize()
        if number >= 3:
            elapsed.append(1000 * (time.perf_counter() - start))
    return np.array(elapsed)


def _peak_memory(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss units per megabyte
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
