"""Best epoch, early stopping, end of the schedule, and the warning about a busy machine."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from commands import Ended, column, train

from mmn.errors import UserError
from mmn.training import busy
from mmn.training.best import BestEpoch
from mmn.training.busy import WarnIfBusy


def best_of(monitor: str, *validations: tuple[float, float]) -> int:
    """The epoch kept after validations with these values of ``monitor`` and of ``val/loss``."""
    best = BestEpoch(None, monitor)
    for epoch, (value, loss) in enumerate(validations):
        metrics = {"val/loss": torch.tensor(loss), monitor: torch.tensor(value)}
        trainer = SimpleNamespace(
            sanity_checking=False, callback_metrics=metrics, current_epoch=epoch, global_step=epoch, fast_dev_run=False
        )
        best.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert best.best is not None
    return best.best.epoch


def test_the_highest_metric_or_lowest_loss_is_best() -> None:
    assert best_of("val/top1", (10.0, 3.0), (30.0, 2.0), (20.0, 1.0)) == 2
    assert best_of("val/loss", (3.0, 3.0), (1.0, 1.0), (2.0, 2.0)) == 2


def test_ties_go_to_the_lower_loss_then_to_the_earlier_epoch() -> None:
    assert best_of("val/top1", (30.0, 2.0), (30.0, 1.0), (30.0, 1.5)) == 2
    assert best_of("val/top1", (30.0, 2.0), (30.0, 2.0)) == 1


def test_a_best_epoch_that_was_saved_before_a_kill_is_the_new_best_once_repeated() -> None:
    best = BestEpoch(None, "val/top1", patience=2)
    best.load_state_dict({"best": [30.0, 2.0, 6, 60], "latest": [10.0, 3.0, 5, 50], "without_new_best": 1})
    metrics = {"val/top1": torch.tensor(30.0), "val/loss": torch.tensor(2.0)}
    trainer = SimpleNamespace(sanity_checking=False, callback_metrics=metrics, current_epoch=5, global_step=60)
    best.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert best.without_new_best == 0
    trainer.current_epoch, trainer.global_step = 6, 70  # an equal value later is no new best
    best.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert (best.without_new_best, best.best.epoch) == (1, 6)  # type: ignore[union-attr]


def test_a_non_finite_metric_is_never_best() -> None:
    assert best_of("val/top1", (1.0, 2.0), (float("nan"), 0.0)) == 1
    assert best_of("val/top1", (float("nan"), 0.0), (1.0, 2.0)) == 2


@pytest.mark.parametrize(("without_new_best", "stops"), [(2, False), (3, True)])
def test_a_run_that_had_stopped_early_stops_when_resumed(without_new_best: int, stops: bool) -> None:
    best = BestEpoch(None, "val/top1", patience=3)
    best.load_state_dict({"best": None, "without_new_best": without_new_best})
    trainer = SimpleNamespace(ckpt_path="last.ckpt", should_stop=False, is_global_zero=True)
    best.on_train_start(trainer, None)  # type: ignore[arg-type]
    assert trainer.should_stop == stops


def test_an_unknown_metric_is_refused_by_name() -> None:
    trainer = SimpleNamespace(sanity_checking=False, callback_metrics={"val/top1": torch.tensor(1.0)})
    with pytest.raises(UserError, match="optimized_metric=val/f1_mean is not measured; validation measures val/top1"):
        BestEpoch(None, "val/f1_mean").on_validation_end(trainer, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def twice_an_epoch(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    folder = tmp_path_factory.mktemp("best") / "run"
    return folder, train(
        folder, jhmdb_like, "+trainer.val_check_interval=0.5", "trainer.max_epochs=3", "optimizer.lr=5e-3"
    )


@pytest.mark.slow
def test_mid_epoch_validation_keeps_the_best_measured_weights(twice_an_epoch: tuple[Path, Ended]) -> None:
    folder, ended = twice_an_epoch
    assert ended.returncode == 0, ended.stderr
    best = json.loads((folder / "run.json").read_text())["best"]
    assert len(column(folder, "val/top1")) == 9  # after each of three steps, in three epochs
    assert best["value"] == pytest.approx(max(column(folder, "val/top1")))
    assert json.loads((folder / "metrics.json").read_text())["val"]["top1"] == pytest.approx(best["value"])
    assert f"best epoch ({best['epoch']} of " in (folder / "train.log").read_text()


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["data.train_splits=[train,val,test]"], "data.train_splits leaves no split"),
        (["+trainer.check_val_every_n_epoch=3", "trainer.max_epochs=2"], "is more than trainer.max_epochs=2"),
        (["+trainer.limit_val_batches=0"], "trainer.limit_val_batches=0"),
    ],
)
def test_early_stopping_without_validation_is_refused(
    jhmdb_like: Path, tmp_path: Path, overrides: list[str], reason: str
) -> None:
    ended = train(tmp_path / "run", jhmdb_like, "callbacks=early_stopping", *overrides)
    assert "early stopping needs validation" in ended.stderr
    assert reason in ended.stderr


@pytest.mark.slow
def test_early_stopping_finishes_the_run(jhmdb_like: Path, tmp_path: Path) -> None:
    overrides = ["callbacks=early_stopping", "callbacks.best.patience=2", "optimizer.lr=0", "trainer.max_epochs=9"]
    ended = train(tmp_path / "run", jhmdb_like, *overrides)
    assert "no new best in 2 validations" in ended.stdout
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (state["state"], state["epochs"]) == ("finished", 3)
    ended = train(tmp_path / "run", jhmdb_like, *overrides, "resume=true")
    assert "nothing to resume" in ended.stdout


@pytest.mark.slow
def test_the_last_epoch_is_reported_beside_the_best(jhmdb_like: Path, tmp_path: Path) -> None:
    """The best validation is in the middle of the last epoch: same epoch, other weights."""
    folder = tmp_path / "run"
    options = ("+trainer.val_check_interval=0.5", "trainer.max_epochs=1", "scheduler.warmup_epochs=0")
    assert train(folder, jhmdb_like, *options, "optimizer.lr=1e-2", "seed=2", "data.batch_size=8").returncode == 0
    losses = column(folder, "val/loss")
    found = json.loads((folder / "metrics.json").read_text())
    assert found["val"]["loss"] == pytest.approx(losses[0], abs=1e-4)
    assert found["about"]["last_epoch"]["val"]["loss"] > losses[0] + 1e-3  # one batch after losses[1]


@pytest.mark.slow
def test_an_epoch_without_validation_logs_no_validation_metric(jhmdb_like: Path, tmp_path: Path) -> None:
    ended = train(tmp_path / "run", jhmdb_like, "+trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4")
    lines = [line for line in ended.stdout.splitlines() if line.startswith("epoch ")]
    assert ["val/top1" in line for line in lines] == [False, True, False, True]
    assert "the best of 2 validations, so" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("override", ["+trainer.limit_train_batches=0.5", "+trainer.max_steps=3"])
def test_the_schedule_ends_at_its_minimum_for_any_number_of_steps(
    jhmdb_like: Path, tmp_path: Path, override: str
) -> None:
    ended = train(
        tmp_path / "run", jhmdb_like, override, "trainer.max_epochs=4", "scheduler.warmup_epochs=0",
        "trainer.log_every_n_steps=1",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    rates = column(tmp_path / "run", "lr")
    assert rates[-1] < max(rates) / 2
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(1e-5)


@pytest.mark.parametrize(("others", "warned"), [(1.2, True), (0.1, False)])
def test_a_busy_machine_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, others: float, warned: bool
) -> None:
    times = iter([(0.0, 0.0, 0.0), (1.0, 9.0, 0.0), (10.0, 10 * (1 + others), 10.0), (20.0, 99.0, 0.0)])
    monkeypatch.setattr(busy, "_times", lambda: next(times))
    monkeypatch.setattr(busy, "_processors", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    watch = WarnIfBusy()
    module = SimpleNamespace(device=torch.device("cpu"))
    watch.on_train_start(SimpleNamespace(is_global_zero=True), module)  # type: ignore[arg-type]
    for batch in range(3):
        watch.on_train_batch_end(None, module, None, None, batch)  # type: ignore[arg-type]
    assert [("OMP_NUM_THREADS=1" in record.message) for record in caplog.records] == ([True] if warned else [])


def test_a_number_of_steps_without_a_number_of_epochs_ends_training(jhmdb_like: Path, tmp_path: Path) -> None:
    ended = train(tmp_path / "run", jhmdb_like, "+trainer.max_steps=3", "trainer.max_epochs=null", "test=false",
                  "scheduler.warmup_epochs=0", "trainer.log_every_n_steps=1")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert len(column(tmp_path / "run", "lr")) == 3
