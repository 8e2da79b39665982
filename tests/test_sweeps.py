"""Sweeps keep the result of every job through failures, interruptions and resuming."""

import csv
import shutil
from pathlib import Path

import pytest
from commands import TINY, Ended, in_process

SHORT = ["trainer.max_epochs=1", "scheduler.warmup_epochs=0", "data.max_train_clips=16", "test=false"]


def sweep(data: Path, cwd: Path, *overrides: str) -> Ended:
    return in_process("train.py", "-m", *TINY, *SHORT, f"data.path={data}", *overrides, cwd=cwd)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "results.csv").open()))


@pytest.mark.slow
def test_a_failed_trial_is_recorded_and_ignored(jhmdb_like: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    ended = sweep(
        jhmdb_like, tmp_path, "sweep=mmn_optuna", "hydra.sweep.dir=found", "hydra.sweeper.n_trials=4",
        f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db", "hydra.sweeper.sampler.seed=3",
        "model.heads=choice(3,4)",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = rows(tmp_path / "found")
    assert {row["value"] != "" for row in found} == {True, False}  # some did, some did not
    assert all(("heads" in row["error"]) == (row["value"] == "") for row in found)
    assert "model.heads" in (tmp_path / "found" / "optimization_results.yaml").read_text()
    assert (tmp_path / "study.db").stat().st_size > 0


@pytest.mark.slow
def test_a_value_that_was_never_measured_is_an_error(jhmdb_like: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    ended = sweep(
        jhmdb_like, tmp_path, "sweep=mmn_optuna", "hydra.sweep.dir=found", "hydra.sweeper.n_trials=1",
        "+trainer.limit_val_batches=0",
    )  # fmt: skip
    assert "val/top1 was never measured" in ended.stderr
    assert "never measured" in rows(tmp_path / "found")[0]["error"]


@pytest.mark.slow
def test_resume_finishes_a_sweep(jhmdb_like: Path, tmp_path: Path) -> None:
    overrides = ["modality=joint,bone", f"paths.log_dir={tmp_path}/logs"]
    ended = sweep(jhmdb_like, tmp_path, *overrides)
    assert ended.returncode == 0, ended.stderr
    (folder,) = tmp_path.glob("logs/sweep/*/*")
    first, second = sorted(folder.glob("*-seed1"))
    # As if killed in the second job before its first checkpoint.
    shutil.rmtree(second / "checkpoints")
    (second / "run.json").write_text('{"state": "running"}')
    before = (first / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    ended = sweep(jhmdb_like, tmp_path, *overrides, "resume=true")
    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.glob("logs/sweep/*/*")) == [folder]
    assert "is finished; nothing to resume" in ended.stdout
    assert (first / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before
    assert (second / "checkpoints" / "last.ckpt").exists()
    assert [row["job"] for row in rows(folder)] == ["0", "1"]  # one row for each job


@pytest.mark.slow
def test_resume_repeats_the_draws_of_a_search_and_keeps_its_finished_jobs(jhmdb_like: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    overrides = ["sweep=mmn_optuna", "hydra.sweeper.n_trials=2", f"paths.log_dir={tmp_path}/logs"]
    assert sweep(jhmdb_like, tmp_path, *overrides).returncode == 0
    (folder,) = tmp_path.glob("logs/sweep/*/*")
    before = rows(folder)
    ended = sweep(jhmdb_like, tmp_path, *overrides, "resume=true")
    assert ended.stdout.count("is finished; nothing to resume") == 2
    assert [path.name for path in tmp_path.glob("logs/sweep/*/*")] == [folder.name]
    assert [(row["job"], row["value"]) for row in rows(folder)] == [(row["job"], row["value"]) for row in before]
    ended = sweep(jhmdb_like, tmp_path, *overrides, "resume=true", "hydra.sweeper.sampler.seed=9")  # as after a failure
    assert ended.stdout.count("was another trial; starting this one") == 2
    assert [row["job"] for row in rows(folder)] == ["0", "1"]
    assert all(
        row["value"] and row["overrides"] != old["overrides"] for row, old in zip(rows(folder), before, strict=True)
    )


@pytest.mark.slow
def test_a_study_that_is_kept_goes_on_with_other_draws(jhmdb_like: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    study = f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db"
    for _ in range(2):
        ended = sweep(
            jhmdb_like, tmp_path, "sweep=mmn_optuna", "hydra.sweeper.n_trials=1", study, "resume=true",
            f"paths.log_dir={tmp_path}/logs",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
    drawn = {row["overrides"].split()[0] for path in tmp_path.glob("logs/sweep/*/*") for row in rows(path)}
    assert len(drawn) == 2


@pytest.mark.slow
def test_a_grid_continues_after_a_failed_job(jhmdb_like: Path, tmp_path: Path) -> None:
    ended = sweep(jhmdb_like, tmp_path, "model.width=18,16", "hydra.sweep.dir=found")
    assert ended.returncode == 1
    assert "error in this job: the network's width is 18" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [row["value"] != "" for row in rows(tmp_path / "found")] == [False, True]


def test_selection_on_test_clips_is_refused_unless_requested(jhmdb_like: Path, tmp_path: Path) -> None:
    import h5py

    pytest.importorskip("optuna")
    data = tmp_path / "two.h5"
    data.write_bytes(jhmdb_like.read_bytes())
    with h5py.File(data, "a") as file:
        del file["val"]
    ended = sweep(data, tmp_path, "sweep=mmn_optuna", "hydra.sweep.dir=found", "hydra.sweeper.n_trials=1")
    assert "would choose hyper-parameters on its test clips" in ended.stderr
