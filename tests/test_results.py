"""What a run reports with its metrics: the epoch, how it was selected, and the last epoch's metrics."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import in_process, train

from mmn.data.format.hdf5 import write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.evaluation.calibration import fit_temperature
from mmn.evaluation.record import network_digest
from mmn.evaluation.scores import read_scores
from mmn.inference.checkpoint import load_checkpoint
from mmn.reporting.curves import curve_names, named_curves, read_metrics
from mmn.reporting.report import write_report


@pytest.fixture(scope="module")
def without_val(small: SkeletonData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that selected its best epoch on test clips."""
    folder = tmp_path_factory.mktemp("without_val")
    splits = {split: clips for split, clips in small.splits.items() if split != "val"}
    write_data(folder / "x.h5", replace(small, splits=splits))
    ended = train(folder / "run", folder / "x.h5", "trainer.max_epochs=3")
    assert ended.returncode == 0, ended.stderr
    return folder / "run"


def about(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())["about"]


def test_best_and_last_epoch_are_reported_with_the_selection_metric(run: Path, tmp_path: Path) -> None:
    reported, state = about(run), json.loads((run / "run.json").read_text())
    assert (reported["selected_on"], reported["best"], reported["last"]) == ("val/top1", state["best"], state["last"])
    assert (reported["epoch"], reported["last_epoch"]["epoch"]) == (state["best"]["epoch"], 4)
    last = run / "checkpoints" / "last.ckpt"
    assert in_process("eval.py", f"ckpt_path={last}", "hydra.run.dir=out", cwd=tmp_path).returncode == 0
    scored = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert reported["last_epoch"]["test"] == pytest.approx(scored["test"], abs=1e-5)
    assert scored["about"]["network"] == network_digest(load_checkpoint(last).network)


def test_the_checkpoint_records_its_selection_and_temperature(run: Path, tmp_path: Path) -> None:
    best = run / "checkpoints" / "best.ckpt"
    checkpoint, reported = load_checkpoint(best), about(run)
    assert checkpoint.chosen == {key: reported[key] for key in ("selected_on", "epoch", "temperature")}
    assert checkpoint.temperature == pytest.approx(fit_temperature(read_scores(run / "scores_val.h5")))
    assert load_checkpoint(run / "checkpoints" / "last.ckpt").temperature is None
    assert (
        in_process("eval.py", f"ckpt_path={run}", "precision=bf16", "hydra.run.dir=out", cwd=tmp_path).returncode == 0
    )
    record = read_scores(tmp_path / "out" / "scores.h5").source.record
    assert record == {**record, **checkpoint.chosen, "precision": "bf16", "modality": "joint"}
    assert record["data"] == read_scores(run / "scores_test.h5").source.record["data"]


def test_an_ensemble_records_its_streams(run: Path, tmp_path: Path) -> None:
    best, last = run / "checkpoints" / "best.ckpt", run / "checkpoints" / "last.ckpt"
    ended = in_process("eval.py", f"ckpt_path=[{best},{last}]", "weights=auto", "hydra.run.dir=out", cwd=tmp_path)
    assert "on its held-out folds" in ended.stdout
    reported = about(tmp_path / "out")
    assert [stream["network"] for stream in reported["streams"]] == [
        network_digest(load_checkpoint(path).network) for path in (best, last)
    ]
    assert (reported["weights_from"], reported["clips"], sum(reported["weights"])) == ("val", 28, pytest.approx(1.0))
    assert set(reported) >= {"top1_gain", "step_from_equal", "average", "data"}
    assert str(run) not in (tmp_path / "out" / "metrics.json").read_text()


def test_selection_on_test_is_reported_everywhere(without_val: Path, tmp_path: Path) -> None:
    reported = about(without_val)
    assert (reported["selected_on"], reported["temperature"]) == ("test/top1", None)
    columns = named_curves(read_metrics(without_val / "metrics.csv"), "test")
    assert curve_names(columns, "loss") == ("train/cross_entropy", "test (used for selection)/loss")
    assert curve_names(columns, "top1") == ("train/top1", "test (used for selection)/top1")
    write_report([without_val], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert f"Epoch {reported['epoch']} of 3, selected by test/top1: these metrics are the best of all epochs" in page
    assert "test (used for selection)/loss" in page


def test_the_plain_cross_entropy_of_training_can_go_below_the_smoothed_one(run: Path) -> None:
    columns = read_metrics(run / "metrics.csv")
    smoothed, plain = (torch.tensor(columns[f"train/{name}"][1]) for name in ("loss", "cross_entropy"))
    assert len(plain) == 4
    assert not torch.equal(plain, smoothed)


def test_digests_distinguish_weights() -> None:
    network = torch.nn.Linear(2, 2)
    before = network_digest(network)
    assert network_digest(network) == before
    with torch.no_grad():
        network.bias[0] += 1e-6
    assert network_digest(network) != before
