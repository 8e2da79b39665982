"""The commands as a user runs them, on a network that trains in seconds."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = [
    "experiment=jhmdb_joint",
    "logger=csv",
    "model.width=16",
    "model.depth=1",
    "data.batch_size=16",
    "data.num_frames=16",
    "scheduler.warmup_epochs=1",
]


def command(script: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """Run ``train.py`` or ``eval.py``."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments], capture_output=True, text=True, timeout=300, **options
    )


def train(folder: Path, data: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """Train the tiny network into a folder."""
    return command("train.py", *TINY, f"data.path={data}", f"hydra.run.dir={folder}", *overrides, cwd=folder.parent)
