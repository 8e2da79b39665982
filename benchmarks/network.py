"""Throughput of the network: python benchmarks/network.py [--device cuda] [--quick]

Clips per second of evaluation and of training steps, compared with the plain implementation (plain.py, float32, eager,
default memory allocator), and as a share of the machine's peak throughput. Each measurement runs in its own process,
alternating with its baseline; medians are reported.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import mmn

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from plain import plain_network

DATA_SETS = {44: 52, 22: 32}
"""Joints and classes of MA-52 and iMiGUE."""
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "evaluation": [
        {"which": "plain"},
        {"which": "plain", "tuned": True},
        {"which": "ours"},
        {"which": "ours", "precision": "bf16"},
    ],
    "training": [
        {"which": "plain"},
        {"which": "plain", "tuned": True},
        {"which": "ours"},
        {"which": "ours", "precision": "bf16"},
        {"which": "ours", "compiled": True},
        {"which": "ours", "precision": "bf16", "compiled": True},
    ],
}


def synchronise(device: str) -> None:
    """Wait until the device is idle."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(function: Callable[[], object], device: str, budget: float) -> float:
    """Median seconds per call, over at least three calls and about ``budget`` seconds, after two warm-up calls."""
    times: list[float] = []
    for count in range(100):
        start = time.perf_counter()
        function()
        synchronise(device)
        if count >= 2:
            times.append(time.perf_counter() - start)
        if len(times) >= 3 and sum(times) > budget:
            break
    return statistics.median(times)


def peak(device: str) -> dict[str, float]:
    """Peak GFLOP/s by precision: of a large matrix product or a 1×1 convolution, whichever is faster."""
    found = {}
    for name, dtype in (("32", torch.float32), ("bf16", torch.bfloat16)):
        size = 2048 if device == "cpu" else 8192
        a = torch.randn(size, size, dtype=dtype, device=device)
        rates = [2 * size**3 / seconds(lambda a=a: a @ a, device, 1.0) / 1e9]
        x = torch.randn(1, 192, 64, 704, dtype=dtype, device=device).to(memory_format=torch.channels_last)
        w = torch.randn(192, 192, 1, 1, dtype=dtype, device=device)
        rates.append(2 * x.numel() * 192 / seconds(lambda x=x, w=w: F.conv2d(x, w), device, 1.0) / 1e9)
        found[name] = max(rates)
    return found


def work(spec: dict[str, Any]) -> dict[str, float]:
    """One measurement, in this process: clips per second, GFLOP per clip, peak memory in MB."""
    device, batch, training = spec["device"], spec["batch"], spec["what"] == "training"
    if spec.get("tuned") or spec["which"] == "ours":
        mmn.tune_runtime()
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
    if spec["which"] == "plain":
        network = plain_network(network).to(device)
    elif spec.get("compiled"):
        network.compile_blocks()
    elif not training:
        network = network.fuse()
    precision = spec.get("precision", "32")

    def evaluate() -> None:
        with torch.inference_mode():
            network(clips, times) if spec["which"] == "plain" else mmn.infer(network, clips, times, precision)

    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.1, fused=True) if training else None

    def train() -> None:
        assert optimizer is not None
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(network(clips, times).float(), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    step = seconds(train if training else evaluate, device, spec["budget"])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - before
    memory = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else used
    return {"clips_s": batch / step, "gflop": gflop, "memory_mb": memory}


def measure(spec: dict[str, Any]) -> dict[str, float] | None:
    """One measurement in its own process; None if it failed, for example out of memory."""
    command = [sys.executable, __file__, "--work", json.dumps(spec)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"failed: {spec}\n{done.stderr[-500:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def table(what: str, joints: int, batch: int, peaks: dict[str, float], options: Any) -> Iterator[dict[str, Any]]:
    """Rows of every variant, measured alternately."""
    common = {"what": what, "joints": joints, "batch": batch, "device": options.device, "budget": options.budget}
    variants = [v for v in VARIANTS[what] if options.device == "cpu" or not v.get("tuned")]
    if options.quick:
        variants = [v for v in variants if not v.get("compiled")]
    rounds = [[measure(common | variant) for variant in variants] for _ in range(options.repeat)]
    for column, variant in enumerate(variants):
        pairs = [(r[column], r[0]) for r in rounds if r[column] is not None and r[0] is not None]
        if not pairs:
            continue
        rate = statistics.median(own["clips_s"] for own, _ in pairs)  # type: ignore[index]
        ratio = statistics.median(own["clips_s"] / plain["clips_s"] for own, plain in pairs)  # type: ignore[index]
        own = pairs[0][0]
        assert own is not None
        precision = variant.get("precision", "32")
        yield common | variant | {
            "clips_s": rate, "ratio": ratio, "share_of_peak": rate * own["gflop"] / peaks[precision],
            "memory_mb": own["memory_mb"],
        }  # fmt: skip


def name(row: dict[str, Any]) -> str:
    """The label of a row."""
    extras = [row.get("precision", "32")] + [key for key in ("compiled", "tuned") if row.get(key)]
    return f"{row['which']} {' '.join(extras)}"


def growth(options: Any) -> dict[str, list[tuple[int, float]]]:
    """Evaluation time in milliseconds per clip as one size grows."""
    base = {"what": "evaluation", "which": "ours", "joints": 44, "batch": 32, "device": options.device}
    sizes = {
        "batch": (1, 8, 32, 128, 256),
        "frames": (64, 128, 256, 512),
        "joints": (22, 44, 66, 88, 133),
        "width": (48, 96, 144, 192),
    }
    found: dict[str, list[tuple[int, float]]] = {}
    for key, values in sizes.items():
        results = [(v, measure(base | {key: v, "budget": options.budget})) for v in values]
        found[key] = [(v, 1e3 / r["clips_s"]) for v, r in results if r]
    return found


def main() -> None:
    """Measure, print Markdown, and write JSON if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--what", nargs="+", choices=tuple(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--joints", type=int, nargs="+", default=[44, 22])
    parser.add_argument("--batches", type=int, nargs="+", help="default: 16, 64 and 256; on CPU, training without 256")
    parser.add_argument("--repeat", type=int, default=3, help="processes per measurement; the median is reported")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds that each process measures")
    parser.add_argument("--quick", action="store_true", help="only 44 joints and batch 64, nothing compiled")
    parser.add_argument("--growth", action="store_true", help="also measure cost by batch, frames, joints and width")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(json.loads(options.work))))
        return
    mmn.tune_runtime()
    peaks = peak(options.device)
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads; peak "
          f"{peaks['32']:,.0f} GFLOP/s in float32, {peaks['bf16']:,.0f} in bf16\n")  # fmt: skip
    print("| what | joints | batch | network | clips/s | ratio | share of peak | memory, MB |\n" + "|---" * 8 + "|")
    rows: list[dict[str, Any]] = []
    for what in options.what:
        batches = options.batches or ([64] if options.quick else [16, 64, 256])
        if what == "training" and options.device == "cpu" and not options.batches:
            batches = [b for b in batches if b < 256]
        for joints in options.joints[: 1 if options.quick else None]:
            for batch in batches:
                for row in table(what, joints, batch, peaks, options):
                    rows.append(row)
                    print(f"| {what} | {joints} | {batch} | {name(row)} | {row['clips_s']:,.1f} | {row['ratio']:.2f} | "
                          f"{row['share_of_peak']:.0%} | {row['memory_mb']:,.0f} |", flush=True)  # fmt: skip
    grown = growth(options) if options.growth else {}
    for key, values in grown.items():
        cells = " | ".join(f"{v}: {ms:.2f}" for v, ms in values)
        print(f"\nms per clip by {key}: {cells}")
    if options.json:
        options.json.write_text(json.dumps({"peak": peaks, "rows": rows, "growth": grown}, indent=2) + "\n")


if __name__ == "__main__":
    main()
