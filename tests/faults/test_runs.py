"""Runs that are stopped, damaged, or wanted twice."""

import csv
import shutil
import zipfile
from pathlib import Path

import pytest
from commands import train

SHORT = ["trainer.max_epochs=2", "data.batch_size=8", "trainer.log_every_n_steps=2", "test=false"]
STOP = "+callbacks.stop={{_target_:own_callbacks.StopAfter,steps:{}}}"


@pytest.fixture(scope="module")
def whole(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert train(folder, jhmdb_like, *SHORT).returncode == 0
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    """``metrics.csv`` without what depends on the clock."""
    with (folder / "metrics.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "clips/s"} for row in csv.DictReader(file)]


@pytest.mark.parametrize("step", [4, 10])
def test_metrics_of_a_run_stopped_mid_epoch_match_an_uninterrupted_one(
    step: int, whole: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    assert train(tmp_path / "run", jhmdb_like, *SHORT, STOP.format(step)).returncode == 143
    if step == 10:  # as of a process that was killed while it wrote
        with (tmp_path / "run" / "metrics.csv").open("a") as file:
            file.write("1,2\n,,,,,,,,,,,\n")
    assert train(tmp_path / "run", jhmdb_like, *SHORT, "resume=true").returncode == 0
    assert rows(tmp_path / "run") == rows(whole)


def damage(path: Path) -> None:
    """Flip a bit of the largest weight."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size] ^= 4
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_not_resumed(whole: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    damage(run / "checkpoints" / "last.ckpt")
    ended = train(run, jhmdb_like, *SHORT, "resume=true", "trainer.max_epochs=3")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "last.ckpt is damaged, the checksum" in ended.stderr


def test_a_run_resumes_despite_a_damaged_best_checkpoint(whole: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    damage(run / "checkpoints" / "best.ckpt")
    ended = train(run, jhmdb_like, *SHORT, "resume=true", "trainer.max_epochs=3")
    assert ended.returncode == 0, ended.stderr
