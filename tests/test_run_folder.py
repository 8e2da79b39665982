"""Run folders: new ones, shared ones, and the one that a command resumes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import QUICK, train

from mmn.engine.run_folder import _run_folder, command, exclusive_folder
from mmn.engine.run_state import check_vacant
from mmn.errors import UserError


def begun(folder: Path, overrides: str, state: str) -> str:
    """A run folder in a given state."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(overrides)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "run.json").write_text(f'{{"state": "{state}"}}')
    return str(folder)


def test_resume_matches_the_command_and_prefers_an_interrupted_run(tmp_path: Path) -> None:
    base = str(tmp_path)
    interrupted = begun(tmp_path / "a", "- seed=1", "running")
    begun(tmp_path / "b", "- seed=2", "running")
    begun(tmp_path / "c", "- seed=1\n- resume=true", "finished")
    finished = begun(tmp_path / "d", "- seed=4", "finished")
    begun(tmp_path / "f", "- seed=5", "running")
    begun(tmp_path / "g", "- seed=5", "running")
    os.utime(tmp_path / "f", (2e9, 2e9))  # changed last
    begun(tmp_path / "e", "[damaged", "running")
    assert _run_folder(base, "now", True, ("seed=1", "resume=true")) == interrupted
    assert _run_folder(base, "now", True, ("seed=4", "resume=true")) == finished
    assert _run_folder(base, "now", True, ("seed=5", "resume=true")) == f"{tmp_path}/f"
    assert _run_folder(base, "now", True, ("seed=3", "resume=true")) == f"{tmp_path}/now"
    assert _run_folder(base, "then", False, ("seed=1",)) == f"{tmp_path}/then"
    assert command(["a=1", "resume=true", "hydra.run.dir=x"]) == command(["a=1"])


def test_runs_started_in_the_same_second_get_separate_folders(tmp_path: Path) -> None:
    folders = [exclusive_folder(str(tmp_path / "runs"), "now").name for _ in range(3)]
    assert folders == ["now", "now-2", "now-3"]
    commands = [
        [
            sys.executable,
            "-c",
            f"from mmn.engine.run_folder import exclusive_folder as f; print(f({str(tmp_path)!r}, 'at'))",
        ]
        for _ in range(4)
    ]
    started = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for arguments in commands]
    assert len({process.communicate()[0] for process in started}) == 4


@pytest.mark.parametrize("base", ["s3://bucket/logs", "FILE"])
def test_a_log_dir_that_is_not_a_local_folder_is_refused(tmp_path: Path, base: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"paths\.log_dir"):
        exclusive_folder(base.replace("FILE", str(tmp_path / "file")), "now")
    assert not (tmp_path / "s3:").exists()


def test_processes_of_one_launcher_share_a_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job7")
    assert _run_folder(str(tmp_path), "then", False, ()) == f"{tmp_path}/torchrun-job7"
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    for name, value in (("SLURM_NTASKS", "4"), ("SLURM_PROCID", "1"), ("SLURM_JOB_ID", "33")):
        monkeypatch.setenv(name, value)
    assert _run_folder(str(tmp_path), "later", False, ()) == f"{tmp_path}/slurm-33-0"


@pytest.mark.slow
def test_a_finished_run_is_replaced_only_once_a_new_one_starts(jhmdb_like: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(run, jhmdb_like, *QUICK).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.suffix not in (".log", ".yaml")}
    ended = train(run, jhmdb_like, *QUICK, "data.batch_size=640")
    assert "fewer than one batch of 640" in ended.stderr
    assert train(run, jhmdb_like, *QUICK, "debug=fast").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert train(run, jhmdb_like, *QUICK, "seed=2").returncode == 0
    assert all(path.stat().st_mtime_ns > then for path, then in before.items() if path.is_file())


def test_a_new_run_does_not_replace_an_interrupted_one_or_other_files(tmp_path: Path) -> None:
    begun(tmp_path / "stopped", "- seed=1", "running")
    with pytest.raises(UserError, match=r"has an interrupted run, .* continue it with resume=true"):
        check_vacant(tmp_path / "stopped")
    begun(tmp_path / "done", "- seed=1", "finished")
    check_vacant(tmp_path / "done")
    (tmp_path / "other" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=r"is not the folder of a run but has checkpoints"):
        check_vacant(tmp_path / "other")


@pytest.mark.slow
def test_a_refused_run_leaves_the_record_of_the_earlier_one(jhmdb_like: Path, tmp_path: Path) -> None:
    run = begun(tmp_path / "run", "- seed=1", "running")
    before = (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()
    assert "continue it with resume=true" in train(Path(run), jhmdb_like, *QUICK).stderr
    assert (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text() == before
