"""Training killed at random moments and resumed until it ends: what it leaves is what a run left alone leaves."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmn.data.synthetic.synthesize import synthesize

ROOT = Path(__file__).parents[2]
TINY = [
    "experiment=jhmdb_joint", "logger=csv", "model.width=16", "model.depth=1", "data.batch_size=2",
    "data.num_frames=16", "scheduler.warmup_epochs=1", "trainer.max_epochs=3", "trainer.log_every_n_steps=1",
]  # fmt: skip
KINDS: dict[str, list[str]] = {
    "kills, one process": ["hydra.run.dir=run"],
    "kills, two processes": ["hydra.run.dir=run", "trainer=ddp_cpu", "data.batch_size=1"],
    "kills, sweep": ["-m", "hydra.sweep.dir=run", "seed=1,2", "trainer.max_epochs=2"],
}
LONGEST = 300  # seconds a run may take
MEASURED = "clips/s"  # the column that differs between equal runs


def storm(kind: str, seed: int, kills: int) -> tuple[dict[str, int], list[list[str]]]:
    """Kill a run some times and resume it.

    Args:
        kind: of ``KINDS``.
        seed: of the moments.
        kills: their number.

    Returns:
        How many kills it survived, or failed to; and what went wrong.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "x.h5"
        synthesize(data, "jhmdb", clips_per_class=1, val_per_class=1, test_per_class=1, frames=(8, 12), seed=seed)
        started = time.monotonic()
        said = _run(kind, folder / "whole", data)
        duration = time.monotonic() - started
        for _ in range(kills):
            _run(kind, folder / "killed", data, rng.uniform(0.1, 1) * duration)
        said += _run(kind, folder / "killed", data)
        wrong = [what for what in (_differs(folder / "whole", folder / "killed"), said) if what]
    return {"failed" if wrong else "as it was": kills}, [[f"{kind}, seed {seed}", what] for what in wrong]


def _run(kind: str, folder: Path, data: Path, killed_after: float | None = None) -> str:
    """Start or resume the run, and kill all of its processes after some seconds; returns what went wrong."""
    folder.mkdir(exist_ok=True)
    arguments = [*TINY, f"data.path={data}", "resume=true", *KINDS[kind]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *arguments],
            cwd=folder, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(killed_after or LONGEST)
        except subprocess.TimeoutExpired:
            if killed_after is None:
                return "HANG"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = (folder / "output.txt").read_text()
    if killed_after is None and (process.returncode or "Traceback" in said):
        return f"FAILED with {process.returncode}: {said[-300:]}"
    return ""


def _differs(whole: Path, killed: Path) -> str:
    """What the runs below two folders do not have in common; empty if nothing."""
    runs = sorted(path.parents[1].relative_to(whole) for path in whole.rglob("last.ckpt"))
    if not runs or runs != sorted(path.parents[1].relative_to(killed) for path in killed.rglob("last.ckpt")):
        return "OTHER RUNS"
    if parts := list(killed.rglob("*.part")):
        return f"LEFT {parts[0].name}"
    for run in runs:
        for name, read in (("checkpoints/last.ckpt", _weights), ("metrics.json", _json), ("metrics.csv", _rows)):
            one, other = read(whole / run / name), read(killed / run / name)
            if one != other:
                return f"DIFFERS: {run / name}{_first(one, other)}"
        if json.loads((killed / run / "run.json").read_text())["state"] != "finished":
            return f"UNFINISHED: {run}"
    return ""


def _weights(path: Path) -> dict[str, bytes]:
    state = torch.load(path, weights_only=True)["state_dict"]
    return {name: value.numpy().tobytes() for name, value in state.items()}


def _first(one: Any, other: Any) -> str:
    """Where two lists or dicts of text first differ."""
    if isinstance(one, list):
        found = next(((a, b) for a, b in zip(one, other, strict=False) if a != b), (len(one), len(other)))
        return f": {found}"
    differing = [name for name in one if one[name] != other.get(name)]
    return f", {differing[:5]}"


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != MEASURED} for row in csv.DictReader(file)]
