"""Predictions that were interrupted continue where they stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_predict import predict, rows, save_arrays

import mmn
from mmn.data.format.skeletons import SkeletonData


class Stopped(Exception):
    """Simulates an interruption."""


def stop_at(monkeypatch: pytest.MonkeyPatch, clip: int) -> list[int]:
    """Make ``Predictor`` fail at the N-th clip; returns the number of clips of each call."""
    given: list[int] = []
    real = mmn.Predictor.logits

    def logits(self: mmn.Predictor, clips, *more):  # type: ignore[no-untyped-def]
        given.append(len(clips))
        if sum(given) >= clip:
            raise Stopped
        return real(self, clips, *more)

    monkeypatch.setattr(mmn.Predictor, "logits", logits)
    return given


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("half", [b"", b'{"test/te'], ids=["whole", "half_a_line"])
def test_an_interrupted_run_is_resumed(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, half: bytes
) -> None:
    for name in ("a", "b"):
        save_arrays(tmp_path / f"{name}.npz", small)
    options = small_checkpoint, "a.npz", "b.npz", "--output"
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        with pytest.raises(Stopped):
            predict(tmp_path, *options, f"p.{form}")
    output, record = tmp_path / f"p.{form}", tmp_path / f"p.{form}.unfinished"
    assert [path.exists() for path in (output, record)] == [form != "json", True]
    if form != "json":
        assert len(output.read_text().splitlines()) == 15 + (form == "csv")
        output.write_bytes(output.read_bytes()[:-7])  # as if the machine had gone down
    record.write_bytes(record.read_bytes() + half)
    with monkeypatch.context() as patch:
        given = stop_at(patch, 99)
        done = predict(tmp_path, *options, f"p.{form}")
    assert given == [3]  # b.npz alone
    assert (done.stdout, done.stderr) == (
        f"p.{form}: 6 clips\n",
        f"p.{form}: 3 clips finished before, continuing\n",
    )
    assert predict(tmp_path, *options, f"whole.{form}").returncode == 0
    assert output.read_text() == (tmp_path / f"whole.{form}").read_text()
    assert not record.exists()


def test_a_run_interrupted_twice_keeps_what_the_first_found(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_arrays(tmp_path / "a.npz", small)
    (tmp_path / "b.npz").write_bytes(b"broken")
    options = small_checkpoint, "a.npz", "b.npz", "--output", "p.csv"
    records = []
    for _ in range(2):
        assert predict(tmp_path, *options).returncode == 1
        lines = (tmp_path / "p.csv.unfinished").read_bytes().splitlines()
        records.append([json.loads(line) for line in lines])
    assert records[0] == records[1]
    save_arrays(tmp_path / "b.npz", small)
    given = stop_at(monkeypatch, 99)
    assert predict(tmp_path, *options).returncode == 0
    assert given == [3]  # b.npz alone


def test_clips_that_changed_are_recognised_again(small_checkpoint: Path, small: SkeletonData, tmp_path: Path) -> None:
    clips = {name: small.splits["test"].clip(index) for index, name in enumerate("abc")}
    np.savez(tmp_path / "first.npz", **clips)
    (tmp_path / "second.npz").write_bytes(b"broken")
    options = small_checkpoint, "first.npz", "second.npz", "--top", 1, "--output", "p.csv"
    assert predict(tmp_path, *options).returncode == 1
    np.savez(tmp_path / "first.npz", a=clips["a"], b=clips["b"][::-1])  # b changed, c removed
    np.savez(tmp_path / "second.npz", d=clips["c"])
    assert predict(tmp_path, *options).returncode == 0
    resumed = rows(tmp_path / "p.csv")
    assert predict(tmp_path, *options).returncode == 0
    assert resumed == rows(tmp_path / "p.csv")
    assert [row["name"] for row in resumed] == ["a", "b", "d"]


def test_files_of_one_name_are_told_apart_by_their_folders(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    for folder in ("p1", "p2", "p3"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "interview.npz", interview=small.splits["test"].clip(0))
    sources = [f"{folder}/interview.npz" for folder in ("p1", "p2", "p3")]
    assert predict(tmp_path, small_checkpoint, *sources, "--top", 1, "--output", "p.csv").returncode == 0
    assert [row["name"] for row in rows(tmp_path / "p.csv")] == ["interview", "p2/interview", "p3/interview"]
    again = predict(tmp_path, small_checkpoint, sources[0], f"p2/../{sources[0]}", "--output", "p.csv")
    assert "is given more than once" in again.stderr


def test_a_different_command_starts_over(small_checkpoint: Path, small: SkeletonData, tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", small)
    (tmp_path / "b.npz").write_bytes(b"broken")
    assert predict(tmp_path, small_checkpoint, "a.npz", "b.npz", "--output", "p.csv").returncode == 1
    done = predict(tmp_path, small_checkpoint, "a.npz", "--output", "p.csv", "--top", 1)
    assert (done.stdout, done.stderr) == ("p.csv: 3 clips\n", "")
    assert len(rows(tmp_path / "p.csv")) == 3
    assert predict(tmp_path, small_checkpoint, "b.npz", "--output", "p.csv").returncode == 1
    assert len(rows(tmp_path / "p.csv")) == 3  # nothing new was finished
    assert not (tmp_path / "p.csv.unfinished").exists()
