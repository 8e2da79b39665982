"""Run the commands as a user does, with a network that trains in seconds."""

import contextlib
import csv
import io
import logging
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

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


QUICK = [*TINY, "data.batch_size=8", "trainer.max_epochs=1", "scheduler.warmup_epochs=0"]


class Ended(NamedTuple):
    """The result of a command run in this process."""

    returncode: int
    stdout: str
    stderr: str


def in_process(script: str, *arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Ended:
    """Run ``train.py``, ``eval.py`` or ``mmn`` in this process: faster, and measured by coverage; one process only."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    out, err, code = io.StringIO(), io.StringIO(), 0
    argv, environment, handlers = sys.argv, dict(os.environ), list(logging.getLogger().handlers)
    sys.argv = [str(ROOT / script), *arguments]
    os.environ.update(env or {})
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            _start(script, arguments)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        err.write("" if isinstance(stop.code, int | None) else f"{stop.code}\n")
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None  # the next test is in another run
        for handler in set(logging.getLogger().handlers) - set(handlers):
            logging.getLogger().removeHandler(handler)
            handler.close()
    return Ended(code, out.getvalue(), err.getvalue())


def _start(script: str, arguments: tuple[str, ...]) -> None:
    if script == "mmn":
        from mmn.cli.main import main

        main(arguments)
        return
    runpy.run_path(str(ROOT / script), run_name="__main__")


def command(script: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """Run ``train.py`` or ``eval.py`` in a separate process."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments], capture_output=True, text=True, timeout=300, **options
    )


def train(folder: Path, data: Path, *overrides: str) -> Ended:
    """Train the tiny network into a folder, in this process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return in_process("train.py", *TINY, f"data.path={data}", f"hydra.run.dir={folder}", *overrides, cwd=folder.parent)


def column(folder: Path, name: str) -> list[float]:
    """The values of one metric in a run's ``metrics.csv``."""
    with (folder / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]
