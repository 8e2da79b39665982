"""The ``mmn`` command and synthetic data."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmn.cli.main import main
from mmn.data.clips import Clips
from mmn.data.hdf5 import read_data
from mmn.data.skeletons import SkeletonData
from mmn.data.summary import duplicates
from mmn.data.synthetic import synthesize
from mmn.errors import UserError


def test_synthesize_writes_every_class_and_is_seeded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--layout", "imigue", "--clips-per-class", "2", "--val-per-class", "1", "--test-per-class", "1"]
    for name in ("a.h5", "b.h5"):
        main(["synthesize", str(tmp_path / name), *arguments])
    assert "32 classes; clips: train 64, val 32, test 32" in capsys.readouterr().out
    a, b = read_data(tmp_path / "a.h5"), read_data(tmp_path / "b.h5")
    np.testing.assert_array_equal(a.splits["train"].keypoints, b.splits["train"].keypoints)
    assert sorted(a.splits["test"].labels.tolist()) == list(range(32))
    assert "synthetic" in a.source


def test_synthetic_splits_share_classes_but_no_clip(tmp_path: Path) -> None:
    data = synthesize(tmp_path / "x.h5", "jhmdb", clips_per_class=2, val_per_class=2, test_per_class=2)
    first = {split: clips.clip(0).tobytes() for split, clips in data.splits.items()}
    assert len(set(first.values())) == 3


def test_impossible_synthetic_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use positive counts"):
        synthesize(tmp_path / "x.h5", "jhmdb", clips_per_class=0)


def test_inspect_tells_what_is_inside(jhmdb_like: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(jhmdb_like)])
    text = capsys.readouterr().out
    assert "15 joints in 2D" in text
    assert "wave" in text
    main(["inspect", str(jhmdb_like), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert summary["splits"]["train"]["clips"] == summary["splits"]["train"]["labelled"] == 56
    assert summary["classes"]["catch"] == {"train": 4, "val": 2, "test": 2}
    assert summary["duplicates"] == []


def test_inspect_finds_a_clip_in_two_splits(small: SkeletonData) -> None:
    train, test = small.splits["train"], small.splits["test"]
    leaking = Clips.from_arrays([test.clip(0), train.clip(5)], names=["a", "b"])
    data = replace(small, splits={"train": train, "test": leaking})
    assert duplicates(data) == [[f"train/{train.names[5]}", "test/b"]]


def test_inspect_fails_on_what_training_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.h5").write_bytes(b"nothing")
    with pytest.raises(SystemExit, match="not a readable HDF5 file"):
        main(["inspect", str(tmp_path / "x.h5")])


def test_convert_ends_in_one_sentence_and_status_1(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mmn.cli.main", "convert", "nothing", "x.h5", "--layout", "ma52"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == "error: there is no file or folder nothing; give what was recorded, or what holds it.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [[], ["convert"], ["nothing"]])
def test_a_wrong_command_line_exits_with_status_2(command: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(command)
    assert error.value.code == 2
