"""Throughput of the network: python benchmarks/network.py [--device cuda] [--quick]

Clips per second of evaluation and of training steps, compared with the plain implementation (plain.py, float32, eager,
default memory allocator), and as a share of the machine's peak throughput. Each measurement runs in its own process,
alternating with its baseline; medians are reported. On a GPU, the processes of a table compile at the same time and
then take turns.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from steps import kernels, peak, prepared

import mmn

PLAIN: dict[str, Any] = {"which": "plain"}
OURS: dict[str, Any] = {"which": "ours"}
BF16: dict[str, Any] = {"which": "ours", "precision": "bf16"}
VARIANTS: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("evaluation", "cpu"): [PLAIN, PLAIN | {"tuned": True}, OURS, BF16],
    ("training", "cpu"): [
        PLAIN, PLAIN | {"tuned": True}, OURS, BF16, OURS | {"compiled": True}, BF16 | {"compiled": True},
    ],
    **{
        (what, "cuda"): [
            PLAIN, OURS, OURS | {"precision": "tf32"}, BF16, BF16 | {"graph": True},
            OURS | {"precision": "tf32", "compiled": True}, BF16 | {"compiled": True},
            BF16 | {"compiled": True, "graph": True},
        ]
        for what in ("evaluation", "training")
    },
}  # fmt: skip


class Measurement:
    """A process that prepares one step, waits for its turns, and measures."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        command = [sys.executable, __file__, "--work", json.dumps(spec)]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True)

    def turn(self, again: bool) -> dict[str, Any] | None:
        """Measure once; None if the process failed, for example out of memory."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.process.poll() is not None:
            return None
        self.process.stdin.write("again\n" if again else "last\n")
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.flush()
            if line := self.process.stdout.readline():
                return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        print(f"failed: {self.spec}\n{self.errors.read()[-500:]}", file=sys.stderr)
        return None

    def ready(self) -> bool:
        """Wait until the step is prepared; False if that failed."""
        return self.turn(again=True) is not None


def work(spec: dict[str, Any]) -> None:
    """The process of a ``Measurement``: prepare at the first line of input, measure at each other."""
    sys.stdin.readline()
    measured = prepared(spec)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measured()), flush=True)
        if line == "last\n":
            return


def measure(specs: list[dict[str, Any]], repeat: int) -> list[list[dict[str, Any] | None]]:
    """Results ``[measurement][repetition]``, measured alternately."""
    if specs[0]["device"] == "cpu":  # one process at a time: each keeps the memory that it has freed
        rounds = [[measure_alone(spec) for spec in specs] for _ in range(repeat)]
    else:
        running = [Measurement(spec) for spec in specs]
        with ThreadPoolExecutor(len(running)) as pool:
            list(pool.map(Measurement.ready, running))
        rounds = [[one.turn(again=count + 1 < repeat) for one in running] for count in range(repeat)]
    return [list(results) for results in zip(*rounds, strict=True)]


def measure_alone(spec: dict[str, Any]) -> dict[str, Any] | None:
    """One measurement in a process that ends with it."""
    measurement = Measurement(spec)
    measurement.ready()
    return measurement.turn(again=False)


def specifications(what: str, joints: int, batch: int, options: Any) -> list[dict[str, Any]]:
    """The measurements of one table."""
    common = {"what": what, "joints": joints, "batch": batch, "device": options.device, "budget": options.budget}
    kept = [v for v in VARIANTS[what, options.device] if not (options.quick and v.get("compiled"))]
    return [common | variant for variant in kept]


def rows_of(specs: list[dict[str, Any]], peaks: dict[str, float], repeat: int) -> Iterator[dict[str, Any]]:
    """Rows of every variant; the first is the baseline."""
    results = measure(specs, repeat)
    for spec, own in zip(specs, results, strict=True):
        done = [result for result in own if result is not None]
        if not done:
            continue
        rate = statistics.median(result["clips_s"] for result in done)
        ratios = [a["clips_s"] / b["clips_s"] for a, b in zip(own, results[0], strict=True) if a and b]
        yield spec | {
            "clips_s": rate, "ratio": statistics.median(ratios) if ratios else None,
            "share_of_peak": rate * done[0]["gflop"] / peaks[spec.get("precision", "32")],
            "memory_mb": done[0]["memory_mb"],
        }  # fmt: skip


def name(row: dict[str, Any]) -> str:
    """The label of a row."""
    extras = [row.get("precision", "32")] + [key for key in ("compiled", "graph", "tuned") if row.get(key)]
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
        results = [(v, measure_alone(base | {key: v, "budget": options.budget})) for v in values]
        found[key] = [(v, 1e3 / result["clips_s"]) for v, result in results if result]
    return found


def main() -> None:
    """Measure, print Markdown, and write JSON if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--what", nargs="+", choices=("evaluation", "training"), default=["evaluation", "training"])
    parser.add_argument("--joints", type=int, nargs="+", default=[44, 22])
    parser.add_argument("--batches", type=int, nargs="+", help="default: 16, 64 and 256; on CPU, training without 256")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of each measurement; medians are reported")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds that each measurement takes")
    parser.add_argument("--quick", action="store_true", help="only 44 joints and batch 64, nothing compiled")
    parser.add_argument("--growth", action="store_true", help="also measure cost by batch, frames, joints and width")
    parser.add_argument("--kernels", action="store_true", help="on a GPU, also list where the time of a step goes")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(json.loads(options.work))
        return
    mmn.tune_runtime()
    peaks = peak(options.device)
    found = ", ".join(f"{rate:,.0f} in {name}" for name, rate in peaks.items())
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {device}; peak GFLOP/s: {found}\n")
    kinds = [(what, joints) for what in options.what for joints in options.joints[: 1 if options.quick else None]]
    tables = [specifications(*kind, batch, options) for kind in kinds for batch in sizes_of(kind[0], options)]
    print("| what | joints | batch | network | clips/s | ratio | share of peak | memory, MB |\n" + "|---" * 8 + "|")
    rows: list[dict[str, Any]] = []
    for specs in tables:
        for row in rows_of(specs, peaks, options.repeat):
            rows.append(row)
            ratio = "–" if row["ratio"] is None else f"{row['ratio']:.2f}"
            print(f"| {row['what']} | {row['joints']} | {row['batch']} | {name(row)} | {row['clips_s']:,.1f} | "
                  f"{ratio} | {row['share_of_peak']:.0%} | {row['memory_mb']:,.0f} |", flush=True)  # fmt: skip
    grown = growth(options) if options.growth else {}
    for key, values in grown.items():
        cells = " | ".join(f"{v}: {ms:.2f}" for v, ms in values)
        print(f"\nms per clip by {key}: {cells}")
    if options.kernels:
        for spec in [spec for specs in tables for spec in specs if not spec.get("graph")]:
            print(f"\n{spec['what']}, {spec['joints']} joints, batch {spec['batch']}, {name(spec)}: {kernels(spec)}")
    if options.json:
        options.json.write_text(json.dumps({"peak": peaks, "rows": rows, "growth": grown}, indent=2) + "\n")


def sizes_of(what: str, options: Any) -> list[int]:
    """Clips per batch to measure."""
    if options.batches or options.quick:
        return options.batches or [64]
    return [16, 64] if what == "training" and options.device == "cpu" else [16, 64, 256]


if __name__ == "__main__":
    main()
