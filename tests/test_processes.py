"""Several processes train like one; sweep launchers."""

import json
import re
from pathlib import Path

import pytest
from commands import QUICK, column, command

from mmn.errors import UserError
from mmn.reporting.compare import compare

pytestmark = pytest.mark.slow


def train(folder: Path, data: Path, *overrides: str) -> str:
    """Train in separate processes and return their output."""
    result = command("train.py", *QUICK, f"data.path={data}", *overrides, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rates_by_process(output: str) -> list[tuple[str, str]]:
    """The learning rates logged by the two processes of each job."""
    logged = re.findall(r"process (\d) of 2: lr (\S+),", output)
    assert [number for number, _ in logged[:2]] in (["1", "2"], ["2", "1"])
    return [(logged[i][1], logged[i + 1][1]) for i in range(0, len(logged), 2)]


def test_two_processes_with_half_the_batch_each_match_one(jhmdb_like: Path, tmp_path: Path) -> None:
    still = ["model.drop_path=0", "model.dropout=0", "trainer.max_epochs=3"]  # dropout differs by process
    for name, size, more in (("one", 8, ["trainer=cpu"]), ("two", 4, ["trainer=ddp_cpu"])):
        train(tmp_path, jhmdb_like, *still, *more, f"data.batch_size={size}", f"hydra.run.dir={name}")
    for name, tolerance in (("train/loss", 1e-4), ("val/loss", 1e-3)):
        one, two = column(tmp_path / "one", name), column(tmp_path / "two", name)
        assert len(one) == 3
        assert two == pytest.approx(one, abs=tolerance), name


def test_every_process_of_a_grid_has_the_jobs_hyper_parameters(jhmdb_like: Path, tmp_path: Path) -> None:
    printed = train(tmp_path, jhmdb_like, "-m", "trainer=ddp_cpu", "optimizer.lr=1e-3,3e-3", "hydra.sweep.dir=sweep")
    assert rates_by_process(printed) == [("0.001", "0.001"), ("0.003", "0.003")]
    assert sorted(p.name for p in (tmp_path / "sweep").iterdir() if p.is_dir()) == ["0-joint-seed1", "1-joint-seed1"]


def test_every_process_of_an_optuna_trial_has_its_hyper_parameters(jhmdb_like: Path, tmp_path: Path) -> None:
    printed = train(
        tmp_path, jhmdb_like, "-m", "trainer=ddp_cpu", "sweep=mmn_optuna", "hydra.sweeper.n_trials=2",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    rates = rates_by_process(printed)
    assert len({rate for pair in rates for rate in pair}) == len(rates) == 2
    assert (tmp_path / "sweep" / "optimization_results.yaml").exists()


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_launched_sweep_can_be_compared(jhmdb_like: Path, tmp_path: Path, launcher: str) -> None:
    train(
        tmp_path, jhmdb_like, "-m", "modality=joint,bone", f"hydra/launcher={launcher}",
        "hydra.sweep.dir=sweep",
    )  # fmt: skip
    comparison = compare(tmp_path / "sweep")
    assert [row.name for row in comparison.rows] == ["joint", "bone", "ensemble"]
    assert comparison.weights_from == "fitted on the val split"
    own = json.loads((tmp_path / "sweep" / "0-joint-seed1" / "metrics.json").read_text())
    assert comparison.rows[0].values[1] == own["test"]["top1"]


def test_a_folder_without_runs_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished runs"):
        compare(tmp_path)
