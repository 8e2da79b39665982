"""Memory and open files of a run of many epochs: they do not grow."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from faults.kills import ROOT, TINY
from mmn.data.synthetic.synthesize import synthesize

NAME = "50 epochs"
EPOCHS = 50
SETTLED = 10  # epochs after which nothing may grow
MOST_GROWTH = 32 << 20  # bytes


def epochs(seed: int) -> tuple[dict[str, int], list[list[str]]]:
    """Train for many epochs; returns how they ended, and what grew."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "resources.txt"
        synthesize(Path(folder) / "x.h5", "jhmdb", clips_per_class=1, val_per_class=1, frames=(8, 12), seed=seed)
        watch = f"+callbacks.resources={{_target_:own_callbacks.Resources,path:{record}}}"
        arguments = [*TINY, "data.path=x.h5", "data.batch_size=7", f"trainer.max_epochs={EPOCHS}", watch]
        path = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        ended = subprocess.run(
            [sys.executable, str(ROOT / "train.py"), *arguments],
            cwd=folder, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        rows = [tuple(map(int, line.split())) for line in record.read_text().splitlines()] if record.exists() else []
    if ended.returncode or len(rows) != EPOCHS:
        return {"failed": 1}, [[NAME, f"FAILED with {ended.returncode}: {ended.stderr[-300:]}"]]
    memory, files = (last - settled for last, settled in zip(rows[-1], rows[SETTLED], strict=True))
    wrong = [[NAME, f"GROWN by {memory:,} bytes and {files} open files"]] if memory > MOST_GROWTH or files else []
    return {"failed" if wrong else "as it was": 1}, wrong
