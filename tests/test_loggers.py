"""Loggers: CSV, W&B online and offline, TensorBoard."""

import os
from pathlib import Path

import pytest
from commands import QUICK, ROOT, command, in_process, train
from offline_wandb import keys
from omegaconf import OmegaConf

from mmn.engine.loggers import _run_id, build_loggers
from mmn.engine.run_state import clear

pytestmark = pytest.mark.slow

NO_LOGIN = {"NETRC": "none", "WANDB_API_KEY": ""}


def quick(folder: Path, data: Path, *overrides: str, env: dict[str, str] | None = None):
    """Train for one epoch in this process."""
    arguments = [*QUICK, f"data.path={data}", f"hydra.run.dir={folder}", *overrides]
    return in_process("train.py", *arguments, cwd=folder.parent, env=env)


def test_an_offline_wandb_run_holds_all_metrics_and_the_config(jhmdb_like: Path, tmp_path: Path) -> None:
    result = quick(
        tmp_path / "run", jhmdb_like, "-m", "logger=csv_wandb", "logger.wandb.log_model=true",
        "logger.wandb.log_clips=true", "loss.consistency_weight=0.1",
        "trainer.log_every_n_steps=2",
        "hydra.sweep.dir=sweep", "hydra.sweep.subdir=job", env={"HOME": str(tmp_path), **NO_LOGIN},
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


def test_an_unreachable_wandb_does_not_stop_training(jhmdb_like: Path, tmp_path: Path) -> None:
    wrong = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "3"}
    result = command(
        "train.py", *QUICK, f"data.path={jhmdb_like}", "hydra.run.dir=run", "logger=wandb", "test=false", cwd=tmp_path,
        env={**os.environ, **wrong},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "W&B cannot be reached" in result.stdout + result.stderr
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


def test_disabled_wandb_writes_nothing(jhmdb_like: Path, tmp_path: Path) -> None:
    ended = quick(tmp_path / "run", jhmdb_like, "logger=wandb", "test=false", env={"WANDB_MODE": "disabled"})
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "run" / "wandb").exists()


def test_a_new_run_in_an_old_folder_gets_a_new_wandb_run(tmp_path: Path) -> None:
    first = _run_id(str(tmp_path))
    assert _run_id(str(tmp_path)) == first  # resumed
    clear(tmp_path)
    assert _run_id(str(tmp_path)) != first


def test_several_loggers_work_at_once(jhmdb_like: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    ended = quick(tmp_path / "run", jhmdb_like, "logger=[csv,tensorboard]", "test=false")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "run" / "metrics.csv").exists()
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))


def test_a_resumed_run_logs_no_step_twice(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    cfg = OmegaConf.create({"logger": OmegaConf.load(ROOT / "configs/logger/tensorboard.yaml")})
    cfg.merge_with({"paths": {"output_dir": str(tmp_path)}})
    for resumed, steps in ((None, range(9)), (7, range(7, 12))):
        (logger,) = build_loggers(cfg, resumed)
        for step in steps:
            logger.log_metrics({"lr": float(step)}, step=step)
        logger.finalize("success")
    found = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [one.step for one in found.Scalars("lr")] == list(range(12))


def test_curves_are_drawn(jhmdb_like: Path, tmp_path: Path) -> None:
    assert train(tmp_path / "run", jhmdb_like, *QUICK, "test=false").returncode == 0
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
