"""Resuming with another number of epochs or steps, and other validation clips."""

import json
from pathlib import Path

import h5py
import pytest
import torch
from commands import column, train

pytestmark = pytest.mark.slow

SMALL = ("data.batch_size=8", "trainer.log_every_n_steps=1", "optimizer.lr=5e-3", "test=false")  # 7 steps per epoch


def last(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def test_a_run_that_ended_mid_epoch_goes_on_in_that_epoch(jhmdb_like: Path, tmp_path: Path) -> None:
    run, epochs = tmp_path / "run", "trainer.max_epochs=3"
    assert train(run, jhmdb_like, *SMALL, epochs, "+trainer.max_steps=10").returncode == 0
    ended = train(run, jhmdb_like, *SMALL, epochs, "resume=true")
    assert "in epoch 2, with trainer.max_steps null (was 10)" in ended.stdout
    assert [line[:9] for line in ended.stdout.splitlines() if line.startswith("epoch ")] == ["epoch 2/3", "epoch 3/3"]
    assert len(column(run, "lr")) == last(run)["global_step"] == 21
    assert last(run)["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(1e-5)
    assert json.loads((run / "run.json").read_text())["epochs"] == 3


def test_a_run_in_its_third_epoch_cannot_end_after_two(jhmdb_like: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stop = "+callbacks.stop={_target_:own_callbacks.StopAfter,steps:17}"
    assert train(run, jhmdb_like, *SMALL, "trainer.max_epochs=4", stop).returncode == 143
    for epochs in (1, 2):
        ended = train(run, jhmdb_like, *SMALL, f"trainer.max_epochs={epochs}", "resume=true")
        assert f"is in epoch 3 of {epochs}; raise trainer.max_epochs" in ended.stderr
    assert train(run, jhmdb_like, *SMALL, "trainer.max_epochs=3", "resume=true").returncode == 0
    assert last(run)["global_step"] == 21


def test_other_validation_clips_are_refused(jhmdb_like: Path, tmp_path: Path) -> None:
    data, run = tmp_path / "data.h5", tmp_path / "run"
    data.write_bytes(jhmdb_like.read_bytes())
    with h5py.File(data, "a") as file:
        file.move("val", "kept")
    assert train(run, data, *SMALL, "trainer.max_epochs=1", "scheduler.warmup_epochs=0").returncode == 0
    with h5py.File(data, "a") as file:
        file.move("kept", "val")
    ended = train(run, data, *SMALL, "trainer.max_epochs=2", "resume=true")
    assert "was validated on other clips (split test, now split val)" in ended.stderr
    ended = train(run, data, *SMALL, "trainer.max_epochs=2", "resume=true", "+trainer.limit_val_batches=1")
    assert "trainer.limit_val_batches is 1, but the run" in ended.stderr


def test_another_augmentation_is_applied_and_logged(jhmdb_like: Path, tmp_path: Path) -> None:
    run, quick = tmp_path / "run", ("scheduler.warmup_epochs=0", "resume=true")
    assert train(run, jhmdb_like, *SMALL, "trainer.max_epochs=1", *quick).returncode == 0
    ended = train(run, jhmdb_like, *SMALL, "trainer.max_epochs=2", *quick, "augmentation=none")
    assert ended.returncode == 0, ended.stderr
    assert "augmentation.steps.0._target_ null (was mmn.data.pipeline.augment.ZeroAxis)" in ended.stdout
