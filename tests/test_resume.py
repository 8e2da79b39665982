"""Runs that were interrupted or killed resume to exactly the same weights."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT

pytestmark = pytest.mark.slow

TINY = [
    "experiment=jhmdb_joint", "logger=csv", "model.width=16", "model.depth=1", "data.batch_size=2",
    "data.num_frames=16", "scheduler.warmup_epochs=1", "trainer.max_epochs=3", "trainer.log_every_n_steps=1",
]  # fmt: skip


def start(folder: Path, data: Path, *overrides: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    arguments = [sys.executable, str(ROOT / "train.py"), *TINY, f"data.path={data}", *overrides]
    return subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=200)
    return output


def run_folders(folder: Path) -> list[Path]:
    return [path.parents[1] for path in folder.glob("logs/train/*/*/checkpoints/last.ckpt")]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (run,) = run_folders(folder)
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def steps(folder: Path) -> list[int]:
    (run,) = run_folders(folder)
    with (run / "metrics.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["train/loss_step"]]


def interrupt(process: subprocess.Popen[str], number: int, after: str = "epoch 1/3") -> str:
    """Send a signal mid-epoch after a line, and return the rest of the output."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(after):
            break
    time.sleep(random.uniform(0.2, 0.8))
    process.send_signal(number)
    return finish(process)


@pytest.fixture(scope="module")
def uninterrupted(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    output = finish(start(folder, jhmdb_like))
    assert "written to" in output, output
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_stopped_at_a_random_step_ends_with_the_same_weights(
    uninterrupted: Path, jhmdb_like: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, jhmdb_like)
    output = interrupt(process, number)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number, output
        assert "the same command with resume=true continues" in output
        assert "Traceback" not in output
    output = finish(start(tmp_path, jhmdb_like, "resume=true"))
    assert "resuming" in output
    assert same(weights(tmp_path), weights(uninterrupted))
    assert steps(tmp_path) == steps(uninterrupted) == list(range(3 * 28))


def test_a_run_stopped_mid_epoch_trains_on_the_rest_of_it(uninterrupted: Path, jhmdb_like, tmp_path) -> None:
    output = interrupt(start(tmp_path, jhmdb_like), signal.SIGTERM)
    (run,) = run_folders(tmp_path)
    step = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert f"after step {step}" in output
    assert 28 < step < 84
    assert "not resumable" not in finish(start(tmp_path, jhmdb_like, "resume=true"))
    assert same(weights(tmp_path), weights(uninterrupted))


def test_two_processes_stop_and_resume_together(jhmdb_like: Path, tmp_path: Path) -> None:
    arguments = ("trainer=ddp_cpu", "data.batch_size=1", "trainer.max_epochs=2")
    assert "written to" in finish(start(tmp_path / "uninterrupted", jhmdb_like, *arguments))
    output = interrupt(start(tmp_path / "stopped", jhmdb_like, *arguments), signal.SIGTERM, "epoch 1/2")
    assert "resume=true continues" in output
    assert "written to" in finish(start(tmp_path / "stopped", jhmdb_like, *arguments, "resume=true"))
    assert same(weights(tmp_path / "stopped"), weights(tmp_path / "uninterrupted"))


def test_averaged_weights_are_resumed(jhmdb_like: Path, tmp_path: Path) -> None:
    arguments = ("callbacks=ema", "trainer.max_epochs=2")
    assert "written to" in finish(start(tmp_path / "uninterrupted", jhmdb_like, *arguments))
    interrupt(start(tmp_path / "stopped", jhmdb_like, *arguments), signal.SIGTERM, "epoch 1/2")
    assert "written to" in finish(start(tmp_path / "stopped", jhmdb_like, *arguments, "resume=true"))
    assert same(weights(tmp_path / "stopped"), weights(tmp_path / "uninterrupted"))


def test_a_run_killed_after_its_last_epoch_reports_the_averaged_weights(jhmdb_like: Path, tmp_path: Path) -> None:
    arguments = ("callbacks=ema", "trainer.max_epochs=2")
    assert "written to" in finish(start(tmp_path, jhmdb_like, *arguments))
    (run,) = run_folders(tmp_path)
    expected = json.loads((run / "metrics.json").read_text())["about"]["last_epoch"]
    state = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**state, "state": "running"}))
    (run / "metrics.json").unlink()
    assert "written to" in finish(start(tmp_path, jhmdb_like, *arguments, "resume=true"))
    assert json.loads((run / "metrics.json").read_text())["about"]["last_epoch"] == expected


def test_resume_skips_a_finished_run_and_starts_one_if_there_is_none(uninterrupted: Path, jhmdb_like, tmp_path) -> None:
    (run,) = run_folders(uninterrupted)
    output = finish(start(uninterrupted, jhmdb_like, "resume=true", f"hydra.run.dir={run}"))
    assert "is finished; nothing to resume" in output
    output = finish(start(tmp_path, jhmdb_like, "resume=true", "trainer.max_epochs=1", "scheduler.warmup_epochs=0"))
    assert "no interrupted run of this command; starting one" in output
    assert "written to" in output
