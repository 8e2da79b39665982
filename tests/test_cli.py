"""The ``mmn`` command and synthetic data."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT
from lightning.pytorch.utilities.exceptions import SIGTERMException

from mmn.cli.main import main
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.layout import NAMED, Layout, load_layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.format.summary import duplicates, shared_groups, summarise
from mmn.data.synthetic.rest_pose import rest_position
from mmn.data.synthetic.synthesize import rest_pose, synthesize
from mmn.engine.entry import one_sentence
from mmn.errors import UserError


def test_synthesize_writes_every_class_and_is_deterministic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--layout", "imigue", "--clips-per-class", "2", "--val-per-class", "1", "--test-per-class", "1"]
    for name in ("a.h5", "b.h5"):
        main(["synthesize", str(tmp_path / name), *arguments])
    assert "32 classes; clips: train 64, val 32, test 32" in capsys.readouterr().out
    a, b = read_data(tmp_path / "a.h5"), read_data(tmp_path / "b.h5")
    np.testing.assert_array_equal(a.splits["train"].keypoints, b.splits["train"].keypoints)
    assert sorted(a.splits["test"].labels.tolist()) == list(range(32))
    assert "synthetic" in a.source


def test_synthetic_splits_share_classes_but_no_clips(tmp_path: Path) -> None:
    data = synthesize(tmp_path / "x.h5", "jhmdb", clips_per_class=2, val_per_class=2, test_per_class=2)
    first = {split: clips.clip(0).tobytes() for split, clips in data.splits.items()}
    assert len(set(first.values())) == 3


def test_invalid_synthetic_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use positive counts"):
        synthesize(tmp_path / "x.h5", "jhmdb", clips_per_class=0)


def test_inspect_summarises_a_file(jhmdb_like: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", str(jhmdb_like)])
    text = capsys.readouterr().out
    assert "15 joints in 2D" in text
    assert "wave" in text
    main(["inspect", str(jhmdb_like), "--json"])
    summary = json.loads(capsys.readouterr().out)
    assert summary["splits"]["train"]["clips"] == summary["splits"]["train"]["labelled"] == 56
    assert summary["classes"]["catch"] == {"train": 4, "val": 2, "test": 2}
    assert summary["duplicates"] == []


def test_synthetic_classes_can_be_imbalanced_and_joints_occluded(tmp_path: Path, capsys) -> None:
    path = tmp_path / "x.h5"
    main(["synthesize", str(path), "--layout", "jhmdb", "--clips-per-class", "20", "--imbalance", "10",
          "--occlusion", "0.2", "--frames", "20", "40"])  # fmt: skip
    data = read_data(path)
    counts = np.bincount(data.splits["train"].labels)
    assert (counts.max(), counts.min()) == (20, 2)
    assert 0.1 < data.splits["train"].filled.mean() < 0.3
    main(["inspect", str(path), "--json", "--plot", str(tmp_path / "layout.png")])
    summary = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert summary["splits"]["train"]["imbalance"] == 10
    filled = summary["filled"]["train"]
    assert filled["joints"] == sum(filled["by_joint"].values()) == int(data.splits["train"].filled.sum())
    assert (tmp_path / "layout.png").read_bytes().startswith(b"\x89PNG")
    main(["inspect", str(path)])
    assert "missing joints" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMED)
def test_synthetic_people_stand_upright_facing_the_viewer(name: str) -> None:
    layout = load_layout(name)
    pose = dict(zip(layout.joints, rest_pose(layout, np.random.default_rng(0)), strict=True))
    assert all(rest_position(joint) for joint in layout.joints)
    assert pose[layout.joints[layout.centre]].tolist() == [0, 0]
    assert pose["left_shoulder"][0] > 0 > pose["right_shoulder"][0]
    head = pose["face" if name == "jhmdb" else "nose"]
    assert head[1] < pose["neck"][1] < pose["left_elbow"][1] < pose["left_wrist"][1]  # y points down


def test_joints_with_unknown_names_extend_along_the_bones() -> None:
    layout = Layout(["a", "neck", "c"], [(0, 1), (1, 2)], {"all": [0, 1, 2]}, 1, [])
    unknown = Layout(["a", "b", "c"], [(0, 1), (1, 2)], {"all": [0, 1, 2]}, 1, [])
    for one in (layout, unknown):
        pose = rest_pose(one, np.random.default_rng(0))
        assert pose[1].tolist() == [0, 0]
        assert np.linalg.norm(pose[[0, 2]], axis=1) == pytest.approx([0.35, 0.35], abs=0.15)


def test_convert_killed_while_writing_leaves_no_output(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((4, 15, 2)))
    program = (
        "import os, signal, mmn.data.format.hdf5 as hdf5; from mmn.cli.main import main\n"
        "hdf5.write_classes = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main(['convert', 'x.npz', 'x.h5', '--layout', 'jhmdb'])"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path).returncode == -signal.SIGKILL
    assert not (tmp_path / "x.h5").exists()
    main(["convert", str(tmp_path / "x.npz"), str(tmp_path / "x.h5"), "--layout", "jhmdb"])
    assert len(read_data(tmp_path / "x.h5").splits["test"]) == 1


def test_inspect_finds_a_clip_in_two_splits(small: SkeletonData) -> None:
    train, test = small.splits["train"], small.splits["test"]
    leaking = Clips.from_arrays([test.clip(0), train.clip(5)], names=["a", "b"])
    data = replace(small, splits={"train": train, "test": leaking})
    assert duplicates(data) == [[f"train/{train.names[5]}", "test/b"]]


def test_inspect_finds_a_subject_in_two_splits(small: SkeletonData, tmp_path: Path, capsys) -> None:
    splits = {split: replace(c, groups=[f"s{i % 5}" for i in range(len(c))]) for split, c in small.splits.items()}
    splits["test"] = replace(splits["test"], groups=["s4", *["s9"] * (len(splits["test"]) - 1)])
    data = replace(small, splits={"train": splits["train"], "test": splits["test"]})
    assert summarise(data)["clip_groups"] == {"train": 5, "test": 2}
    assert shared_groups(data) == {"s4": ["train", "test"]}
    write_data(tmp_path / "x.h5", data)
    main(["inspect", str(tmp_path / "x.h5")])
    assert "s4 is in train and test" in capsys.readouterr().out


def test_inspect_fails_on_files_that_training_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.h5").write_bytes(b"nothing")
    with pytest.raises(SystemExit, match="not a readable HDF5 file"):
        main(["inspect", str(tmp_path / "x.h5")])


def test_convert_errors_end_in_a_one_line_message_and_status_1(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mmn.cli.main", "convert", "nothing", "x.h5", "--layout", "ma52"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == "error: nothing does not exist; give a file of poses, or a folder of such files.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [[], ["convert"], ["nothing"]])
def test_an_invalid_command_line_exits_with_status_2(command: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(command)
    assert error.value.code == 2


def test_a_command_ended_by_sigterm_exits_with_status_143() -> None:
    with pytest.raises(SystemExit) as stop, one_sentence():
        raise SIGTERMException
    assert stop.value.code == 128 + 15


def test_a_reader_that_has_enough_ends_a_command_quietly(jhmdb_like: Path) -> None:
    for command in (f"-m mmn.cli.main inspect {jhmdb_like}", f"{ROOT / 'train.py'} --help"):
        pipe = f"{sys.executable} {command} | true; exit ${{PIPESTATUS[0]}}"
        ended = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True)
        assert ended.returncode in (1, 128 + signal.SIGPIPE)  # 1 by rich
        assert ended.stderr == ""
