"""Measure a network's latency, throughput, parameters, multiply-adds and memory."""

import argparse
import json
from pathlib import Path
from typing import Any

from mmn.cli.network import add_device, add_network, chosen_device, chosen_network
from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("bench", help="latency, throughput and memory of a network", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a checkpoint or official weights")
    add_device(parser)
    add_network(parser)
    parser.add_argument("--batch", type=int, default=64, help="batch size for clips/s (default: 64)")
    parser.add_argument("--repeats", type=int, default=100, help="number of timings of one clip (default: 100)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    import torch

    from mmn.inference.bench import bench
    from mmn.inference.checkpoint import load_checkpoint

    if min(options.batch, options.repeats) < 1:
        raise UserError(f"--batch is {options.batch} and --repeats {options.repeats}; use at least 1 for both.")
    device = chosen_device(options)
    checkpoint = load_checkpoint(options.checkpoint, chosen_network(options))
    found = bench(checkpoint, device, options.batch, options.repeats, options.precision)
    if options.json:
        print(json.dumps({"device": device, "threads": torch.get_num_threads(), **found}))
        return
    where = "GPU" if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"one clip: {found['clip_ms_p50']:.2f} ms median, {found['clip_ms_p95']:.2f} ms at 95 %  ({where})")
    if "frame_ms_p50" in found:
        print(f"a frame of a stream: {found['frame_ms_p50']:.2f} ms median, {found['frame_ms_p95']:.2f} ms at 95 %")
    print(f"batches of {options.batch}: {found['clips_per_second']:.0f} clips/s")
    print(f"{found['parameters']:,} parameters, {found['multiply_adds'] / 1e6:,.1f} million multiply-adds per clip")
    print(f"peak memory {found['peak_memory_mb']:,.0f} MB{'' if device == 'cuda' else ', of the process'}")
