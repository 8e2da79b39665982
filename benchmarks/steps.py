"""The steps that ``network.py`` measures: evaluation and training, of the plain implementation and of ours."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import mmn
from mmn.inference.gpu import GpuMMN

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from plain import plain_network

DATA_SETS = {44: 52, 22: 32}
"""Joints and classes of MA-52 and iMiGUE."""


def seconds(function: Callable[[], object], device: str, budget: float) -> float:
    """Median seconds per call, over about ``budget`` seconds after three warm-up calls.

    On a GPU, calls are timed in groups of about a twentieth of the budget, so that the CPU runs ahead as in training.
    """
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(2):
        function()
    wait()
    start = time.perf_counter()
    function()
    wait()
    group = 1 if device == "cpu" else max(1, int(budget / 20 / (time.perf_counter() - start)))
    times: list[float] = []
    while len(times) < 3 or sum(times) * group < budget:
        start = time.perf_counter()
        for _ in range(group):
            function()
        wait()
        times.append((time.perf_counter() - start) / group)
    return statistics.median(times)


def peak(device: str) -> dict[str, float]:
    """Peak GFLOP/s by precision: of a large matrix product or a 1×1 convolution, whichever is faster."""
    found = {}
    for name in ("32", "bf16") if device == "cpu" else ("32", "tf32", "bf16"):
        dtype = torch.bfloat16 if name == "bf16" else torch.float32
        use_tf32(name == "tf32")
        size = 2048 if device == "cpu" else 8192
        a = torch.randn(size, size, dtype=dtype, device=device)
        rates = [2 * size**3 / seconds(lambda a=a: a @ a, device, 1.0) / 1e9]
        if device == "cpu":
            x = torch.randn(1, 192, 64, 704, dtype=dtype).to(memory_format=torch.channels_last)
            w = torch.randn(192, 192, 1, 1, dtype=dtype)
            rates.append(2 * x.numel() * 192 / seconds(lambda x=x, w=w: F.conv2d(x, w), device, 1.0) / 1e9)
        found[name] = max(rates)
    return found


def use_tf32(wanted: bool) -> None:
    """Whether a GPU computes float32 products in TF32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = wanted


def prepared(spec: dict[str, Any], attempts: int = 12) -> Callable[[], dict[str, float]]:
    """What measures the step of a specification, compiled already: clips per second, GFLOP per clip, memory in MB.

    Other processes may be using the GPU's memory meanwhile: a step that does not fit is attempted again.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    for attempt in range(attempts):
        try:
            step, gflop = prepare(spec)
            step()
            break
        except torch.OutOfMemoryError:
            if attempt + 1 == attempts:
                raise
        torch.cuda.empty_cache()
        time.sleep(5)
    if spec["device"] == "cuda":
        torch.cuda.empty_cache()

    def measured() -> dict[str, float]:
        taken = seconds(step, spec["device"], spec["budget"])
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - before
        memory = torch.cuda.max_memory_allocated() / 1e6 if spec["device"] == "cuda" else used
        if spec["device"] == "cuda":
            torch.cuda.empty_cache()
        return {"clips_s": spec["batch"] / taken, "gflop": gflop, "memory_mb": memory}

    return measured


def prepare(spec: dict[str, Any]) -> tuple[Callable[[], object], float]:
    """The step that a specification describes, and GFLOP per clip."""
    device, batch, training = spec["device"], spec["batch"], spec["what"] == "training"
    ours, precision = spec["which"] == "ours", spec.get("precision", "32")
    if spec.get("tuned") or ours:
        mmn.tune_runtime()
    if device == "cuda":
        use_tf32(precision == "tf32")
        if not ours:
            torch.backends.cudnn.allow_tf32 = True  # torch's defaults, which the official code runs with
    torch.manual_seed(0)
    joints, frames = spec["joints"], spec.get("frames", 64)
    network: Any = mmn.MMN(joints, DATA_SETS.get(joints, 52), width=spec.get("width", 96), num_frames=frames)
    clips = torch.rand(batch, frames, joints, 2, device=device) * 2 - 1
    times = torch.linspace(-1, 1, frames, device=device).expand(batch, frames).contiguous()
    labels = torch.randint(0, 32, (batch,), device=device)
    network = network.to(device).train(training)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(clips[:1], times[:1])
    gflop = counter.get_total_flops() / 1e9 * (3 if training else 1)
    if not ours:
        network = plain_network(network).to(device).train(training)
    autocast = torch.autocast(
        device, dtype=torch.bfloat16, enabled=precision == "bf16", cache_enabled=not spec.get("graph")
    )
    if training:
        if spec.get("compiled"):
            network.compile_parts()
        step = training_step(network, clips, times, labels, autocast, device)
    else:
        step = evaluation_step(network, clips, times, autocast, spec)
    return (captured(step) if spec.get("graph") else step), gflop


def evaluation_step(
    network: Any, clips: Tensor, times: Tensor, autocast: Any, spec: dict[str, Any]
) -> Callable[[], object]:
    """Logits of one batch, without gradients."""
    if spec["which"] == "ours" and spec["device"] == "cpu":
        fused, precision = network.fuse(), spec.get("precision", "32")
        return lambda: mmn.infer(fused, clips, times, precision)
    if spec.get("compiled"):
        network = GpuMMN(network, torch.bfloat16 if spec.get("precision") == "bf16" else torch.float32)
        network.compile_parts()
        autocast = nullcontext()
    elif spec["which"] == "ours":
        network = network.fuse()

    def evaluate() -> None:
        with torch.no_grad(), autocast:
            network(clips, times)

    return evaluate


def training_step(
    network: nn.Module, clips: Tensor, times: Tensor, labels: Tensor, autocast: Any, device: str
) -> Callable[[], object]:
    """Forward, backward and optimiser step of one batch."""
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.1, fused=True, capturable=device == "cuda")

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            loss = F.cross_entropy(network(clips, times).float(), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()

    return train


def captured(step: Callable[[], object]) -> Callable[[], object]:
    """A step as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return partial(_replay, graph, step)


def _replay(graph: Any, step: object) -> None:
    """Replay a graph; ``step`` holds the tensors that it reads and writes."""
    graph.replay()


def kernels(spec: dict[str, Any], rows: int = 25) -> str:
    """A table of where a step's time goes on the GPU, by kernel."""
    from torch.profiler import ProfilerActivity, profile

    step, _ = prepare(spec)
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(5):
            step()
        torch.cuda.synchronize()
    entries = sorted(profiled.key_averages(), key=lambda entry: -entry.self_device_time_total)
    total = sum(entry.self_device_time_total for entry in entries)
    lines = [f"{total / 5e3:.2f} ms of kernels a step, {sum(entry.count for entry in entries) // 5} kernels"]
    for entry in entries[:rows]:
        part = entry.self_device_time_total
        lines.append(f"{part / total:6.1%} {part / 5e3:8.3f} ms {entry.count // 5:5} × {entry.key[:110]}")
    return "\n".join(lines)
