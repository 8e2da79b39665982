"""More processes, sweeps, guards and dashboards, from the command line on tiny data."""

import csv
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from offline_wandb import keys

from mmn.errors import UserError
from mmn.reporting.compare import compare
from mmn.training.guards import memory_explained

pytestmark = pytest.mark.slow

TINY = [
    "experiment=jhmdb_joint", "logger=csv", "model.width=16", "model.depth=1", "data.num_frames=16",
    "data.batch_size=8", "trainer.max_epochs=1", "scheduler.warmup_epochs=0",
]  # fmt: skip


def train(folder: Path, data: Path, *overrides: str, **options) -> subprocess.CompletedProcess[str]:
    flags = [o for o in overrides if o == "-m"]  # Hydra wants them first
    overrides = tuple(o for o in overrides if o != "-m")
    command = [sys.executable, str(ROOT / "train.py"), *flags, *TINY, f"data.path={data}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, env=environment, **options)


def column(run: Path, name: str) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def rates_by_process(output: str) -> list[tuple[str, str]]:
    """The learning rates that the two processes of each job said they had."""
    said = re.findall(r"process (\d) of 2: lr (\S+),", output)
    assert [number for number, _ in said[:2]] in (["1", "2"], ["2", "1"])
    return [(said[i][1], said[i + 1][1]) for i in range(0, len(said), 2)]


def test_two_processes_with_half_the_batch_each_follow_one(jhmdb_like: Path, tmp_path: Path) -> None:
    still = ["model.drop_path=0", "model.dropout=0", "trainer.max_epochs=3"]  # dropout differs by process
    for name, size, more in (("one", 8, ["trainer=cpu"]), ("two", 4, ["trainer=ddp_cpu"])):
        result = train(tmp_path, jhmdb_like, *still, *more, f"data.batch_size={size}", f"hydra.run.dir={name}")
        assert result.returncode == 0, result.stderr
    for name, tolerance in (("train/loss", 1e-4), ("val/loss", 1e-3)):
        one, two = column(tmp_path / "one", name), column(tmp_path / "two", name)
        assert len(one) == 3
        assert two == pytest.approx(one, abs=tolerance), name


def test_every_process_of_a_grid_has_the_jobs_hyper_parameters(jhmdb_like: Path, tmp_path: Path) -> None:
    result = train(tmp_path, jhmdb_like, "-m", "trainer=ddp_cpu", "optimizer.lr=1e-3,3e-3", "hydra.sweep.dir=sweep")
    assert result.returncode == 0, result.stderr
    assert rates_by_process(result.stdout) == [("0.001", "0.001"), ("0.003", "0.003")]
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir() if p.is_dir()) == ["0-joint-seed1", "1-joint-seed1"]


def test_every_process_of_an_optuna_trial_has_its_hyper_parameters(jhmdb_like: Path, tmp_path: Path) -> None:
    result = train(
        tmp_path, jhmdb_like, "-m", "trainer=ddp_cpu", "sweep=mmn_optuna", "hydra.sweeper.n_trials=2",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rates = rates_by_process(result.stdout)
    assert len({rate for pair in rates for rate in pair}) == len(rates) == 2
    assert (tmp_path / "sweep" / "optimization_results.yaml").exists()


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_run_a_sweep_that_compares(jhmdb_like: Path, tmp_path: Path, launcher: str) -> None:
    result = train(
        tmp_path, jhmdb_like, "-m", "modality=joint,bone", "seed=1,2", f"hydra/launcher={launcher}",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    comparison = compare(tmp_path / "sweep")
    assert [row.name for row in comparison.rows] == ["joint", "bone", "ensemble"]
    assert all(set(row.values) == {1, 2} for row in comparison.rows)
    assert comparison.weights_from == "found on the val split"
    assert "mean ± sd" in comparison.markdown()
    own = json.loads((tmp_path / "sweep" / "0-joint-seed1" / "metrics.json").read_text())
    assert comparison.rows[0].values[1] == own["test"]["top1"]


def test_a_folder_without_runs_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished runs"):
        compare(tmp_path)


@pytest.mark.parametrize(
    "overrides",
    [
        ["callbacks=ema"],
        ["trainer.deterministic=true"],
        ["trainer.precision=bf16"],
        [
            "trainer.accumulate_grad_batches=3",
            "scale_lr=true",
            "trainer.gradient_clip_val=1.0",
            "trainer.log_every_n_steps=1",
        ],
        ["recipe=fast", "trainer.max_epochs=1", "scheduler.warmup_epochs=0"],
    ],
    ids=lambda overrides: overrides[0],
)
def test_options_of_the_trainer_train_and_evaluate(jhmdb_like: Path, tmp_path: Path, overrides: list[str]) -> None:
    result = train(tmp_path, jhmdb_like, *overrides, "hydra.run.dir=run")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["val"]["clips"] == 28
    if "scale_lr=true" in overrides:
        assert column(tmp_path / "run", "lr")[0] == pytest.approx(1e-3 * 8 * 3 / 64, rel=0.3)
    if "callbacks=ema" in overrides:
        checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
        name = "network.classifier.weight"
        assert not torch.equal(checkpoint["state_dict"][name], checkpoint["current_model_state"][name])


def test_a_loss_that_is_no_number_stops_the_run_and_names_its_clips(jhmdb_like: Path, tmp_path: Path) -> None:
    result = train(tmp_path, jhmdb_like, "optimizer.lr=1e25", "hydra.run.dir=run")
    assert result.returncode == 1
    assert re.search(r"error: the loss is nan at step \d+ \(epoch 1\), with clips train\d+, ", result.stderr)
    assert "Traceback" not in result.stderr
    batch = torch.load(tmp_path / "run" / "nonfinite_batch.pt", weights_only=True)
    assert batch["clips"].shape == (8, 16, 15, 2)
    assert len(batch["names"]) == 8


def test_a_full_disk_keeps_the_previous_checkpoint(jhmdb_like: Path, tmp_path: Path) -> None:
    assert train(tmp_path, jhmdb_like, "hydra.run.dir=run", "test=false").returncode == 0
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    before = last.read_bytes()

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    result = train(
        tmp_path, jhmdb_like, "hydra.run.dir=run", "resume=true", "trainer.max_epochs=2", preexec_fn=no_large_files
    )
    assert result.returncode == 1
    assert "there is no space left" in result.stderr
    assert "Traceback" not in result.stderr
    assert last.read_bytes() == before
    assert sorted(p.name for p in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_too_little_gpu_memory_is_told_with_what_to_lower() -> None:
    with pytest.raises(UserError, match=r"data\.batch_size=64 at trainer\.precision=32"), memory_explained(64, "32"):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_an_offline_wandb_run_holds_everything_promised(jhmdb_like: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "NETRC": "none", "WANDB_API_KEY": ""}
    result = train(
        tmp_path, jhmdb_like, "-m", "logger=csv_wandb", "logger.wandb.log_clips=true", "loss.consistency_weight=0.1",
        "trainer.log_every_n_steps=2",
        "hydra.sweep.dir=sweep", "hydra.sweep.subdir=job", env=home,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = keys(tmp_path / "sweep" / "job")
    assert {
        "lr", "grad_norm", "clips/s", "train/loss", "train/classification", "train/consistency", "val/top1", "val/top5",
        "val/loss", "val/classes._type", "val/confusion_table._type", "val/worst_1._type", "val/worst_3._type",
    } <= found["history"]  # fmt: skip
    assert {"model", "optimizer", "data", "provenance", "parameters", "seed"} <= found["config"]
    assert {"jhmdb-joint-seed1", "sweep", "jhmdb", "joint"} <= found["run"]
    assert "wandb sync" in result.stdout + result.stderr


def test_an_unreachable_wandb_stops_nothing(jhmdb_like: Path, tmp_path: Path) -> None:
    wrong = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "3"}
    result = train(tmp_path, jhmdb_like, "logger=wandb", "hydra.run.dir=run", "test=false", env=wrong)
    assert result.returncode == 0, result.stderr
    assert "W&B cannot be reached" in result.stdout + result.stderr
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


def test_curves_are_drawn(jhmdb_like: Path, tmp_path: Path) -> None:
    assert train(tmp_path, jhmdb_like, "hydra.run.dir=run", "test=false").returncode == 0
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
