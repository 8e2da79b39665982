"""``mmn merge``, ``mmn split`` and ``mmn inspect --view``."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import in_process

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.merge import merge
from mmn.data.view.split import split_clips


def clips(labels: list[int], joints: int, first: int, groups: list[str] | None = None) -> Clips:
    arrays = [
        np.arange(joints * 4, dtype=np.float32).reshape(2, joints, 2) + 100 * (first + i) for i in range(len(labels))
    ]
    return Clips.from_arrays(arrays, labels, groups=groups)


def first() -> SkeletonData:
    layout = Layout(["hip", "knee", "hand"], [(1, 0), (2, 1)], {"leg": [1, 0], "arm": [2]}, 0, [])
    classes = Classes(["sit", "left wave", "right wave"], [0, 1, 1], ["legs", "arms"])
    return SkeletonData("a", "made", layout, classes, {"train": clips([0, 1, 2, -1], 3, 0, ["s1", "s1", "s2", "s2"]),
                                                       "test": clips([2], 3, 4)})  # fmt: skip


def second() -> SkeletonData:
    layout = Layout(["hand", "head", "hip"], [(0, 1), (1, 2)], {"all": [0, 1, 2]}, 2, [])
    classes = Classes(["jump", "right wave", "sit down"], [0, 1, 0], ["legs", "arms"])
    return SkeletonData("b", "made", layout, classes, {"train": clips([0, 1, 2], 3, 10), "val": clips([1, 2], 3, 13)})


def test_merging_matches_joints_and_classes_by_name_and_keeps_splits_and_groups() -> None:
    merged = merge({"a": first(), "b": second()}, "both")
    data = merged.data
    assert data.layout == Layout(["hip", "hand"], [(1, 0)], {"leg": [0], "arm": [1]}, 0, [])
    assert data.classes == Classes(["sit", "left wave", "right wave", "jump", "sit down"], [0, 1, 1, 0, 0],
                                   ["legs", "arms"])  # fmt: skip
    train = data.splits["train"]
    assert train.names == ["a/clip0000", "a/clip0001", "a/clip0002", "a/clip0003", "b/clip0000", "b/clip0001",
                           "b/clip0002"]  # fmt: skip
    assert train.labels.tolist() == [0, 1, 2, -1, 3, 2, 4]
    assert train.groups == ["a/s1", "a/s1", "a/s2", "a/s2", "b/clip0000", "b/clip0001", "b/clip0002"]
    assert np.array_equal(train.clip(1), first().splits["train"].clip(1)[:, [0, 2]])
    assert np.array_equal(train.clip(5), second().splits["train"].clip(1)[:, [2, 0]])
    assert {split: len(c) for split, c in data.splits.items()} == {"train": 7, "val": 2, "test": 1}
    assert merged.notes == ["joints of a left out: knee", "joints of b left out: head"]


def test_common_classes_and_a_map_leave_clips_out_with_notes() -> None:
    merged = merge({"a": first(), "b": second()}, "both", "common", {("b", "sit down"): "sit", ("a", "left wave"): ""})
    assert merged.data.classes.names == ["sit", "right wave"]
    assert merged.data.classes.mirrored == [0, -1]
    assert merged.data.splits["train"].labels.tolist() == [0, 1, -1, 1, 0]
    assert merged.notes[2:] == [
        "classes of a left out, with 1 clips: left wave",
        "classes of b left out, with 1 clips: jump",
    ]


def test_merging_keeps_mirror_images() -> None:
    told = replace(first(), classes=replace(first().classes, flips=[-1, 2, 1]))
    assert merge({"a": told, "b": second()}, "both").data.classes.mirrored == [-1, 2, 1, 3, 4]


def test_the_commands_write_valid_files(jhmdb_like: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "a.h5", first())
    write_data(tmp_path / "b.h5", second())
    (tmp_path / "names.csv").write_text("source,class,name\nb,sit down,sit\n")
    ended = in_process("mmn", "merge", "c.h5", "a.h5", "b.h5", "--map", "names.csv", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "joints of b left out: head\nc.h5: 2 joints, 4 classes; clips: train 7, val 2, test 1" in ended.stdout
    assert read_data(tmp_path / "c.h5").classes.names == ["sit", "left wave", "right wave", "jump"]
    ended = in_process("mmn", "split", str(jhmdb_like), "c.h5", "--by", "clip", "--overwrite", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    data = read_data(tmp_path / "c.h5")
    assert {split: np.bincount(c.labels).tolist() for split, c in data.splits.items()} == {
        "train": [5] * 14,
        "val": [1] * 14,
        "test": [2] * 14,
    }


def test_groups_are_not_divided_and_splits_have_their_shares() -> None:
    rng = np.random.default_rng(0)
    groups = [f"s{i}" for i in range(25) for _ in range(8)]
    of = [int(label) for _ in range(25) for label in rng.permutation([0, 0, 0, 0, 1, 1, 1, 2])]
    data = replace(first(), splits={"test": clips(of, 3, 0, groups)})
    made = split_clips(data, "group", test=0.2, val=0.1, seed=1)
    assert {split: len(set(c.groups)) for split, c in made.splits.items()} == {"train": 18, "val": 2, "test": 5}
    assert not set(made.splits["train"].groups) & {*made.splits["val"].groups, *made.splits["test"].groups}
    assert np.bincount(made.splits["test"].labels).tolist() == [20, 15, 5]
    assert made.splits["test"].names == split_clips(data, "group", 0.2, 0.1, 1).splits["test"].names
    assert made.splits["test"].names != split_clips(data, "group", 0.2, 0.1, 2).splits["test"].names
    assert "val" not in split_clips(data, "group", test=0.4, val=0, seed=1).splits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("merge", "c.h5", "a.h5"), "merging needs at least two data sets"),
        (("merge", "c.h5", "a.h5", "a.h5"), "two files are called a"),
        (("merge", "a.h5", "a.h5", "b.h5"), "a.h5 is one of the files to merge"),
        (("merge", "3d.h5", "a.h5", "b.h5"), "3d.h5 exists already; give another name, or --overwrite to replace it"),
        (("split", "b.h5", "a.h5", "--by", "clip"), "a.h5 exists already; give another name, or --overwrite"),
        (("merge", "c.h5", "a.h5", "3d.h5"), "3d has 3 coordinates per joint, a 2"),
        (("merge", "c.h5", "a.h5", "other.h5"), "a and other have no joint of the same name"),
        (("merge", "c.h5", "a.h5", "b.h5", "--map", "wrong.csv"), "the map renames stand of b, which is not one"),
        (
            ("merge", "c.h5", "a.h5", "b.h5", "--map", "columns.csv"),
            "columns.csv has the columns a, b; it needs source",
        ),
        (("merge", "c.h5", "a.h5", "b.h5", "--map", "none.csv"), "none.csv cannot be read; --map takes a CSV"),
        (("merge", "c.h5", "a.h5", "nothing.h5"), "there is no data file nothing.h5"),
        (("merge", "c.h5", "b.h5", "jump.h5", "--classes", "common"), "b and jump have no class of the same name"),
        (("split", "b.h5", "c.h5"), "--by group needs the group of each clip, but the file has none"),
        (("split", "b.h5", "c.h5", "--by", "subject"), "--by is subject; use group or clip"),
        (("split", "b.h5", "c.h5", "--by", "clip", "--test", "0.7", "--val", "0.3"), "whose sum is below 1"),
        (("split", "b.h5", "c.h5", "--by", "clip", "--test", "0", "--val", "0"), "--test is 0 and --val 0"),
        (("split", "b.h5", "c.h5", "--by", "clip", "--val", "0.01"), "5 clips are too few for a val split of 0.01"),
        (
            ("inspect", "b.h5", "--view", "upper"),
            "unknown view upper; give KEY=VALUE, a YAML file, or one of groups",
        ),
        (("inspect", "b.h5", "--view", "joint=[hip]"), "--view has no key joint; it has joints"),
        (("inspect", "b.h5", "--view", "classes=[sit"), "--view classes=[sit cannot be read; quote it whole"),
        (("inspect", "b.h5", "--view", "list.yaml"), "list.yaml is not a view; write a table"),
    ],
)
def test_invalid_merge_split_and_view_commands_end_in_a_one_line_message(
    arguments, message: str, tmp_path: Path
) -> None:
    write_data(tmp_path / "a.h5", first())
    write_data(tmp_path / "b.h5", second())
    write_data(tmp_path / "other.h5", replace(first(), layout=replace(first().layout, joints=["x", "y", "z"])))
    write_data(tmp_path / "jump.h5", replace(second(), classes=Classes(["x", "y", "z"], [], [])))
    solid = Clips.from_arrays([np.zeros((2, 3, 3))], [0])
    write_data(tmp_path / "3d.h5", replace(first(), splits={"train": solid}))
    (tmp_path / "wrong.csv").write_text("source,class,name\nb,stand,sit\n")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    (tmp_path / "list.yaml").write_text("[1]\n")
    before = set(tmp_path.iterdir())
    ended = in_process("mmn", *arguments, cwd=tmp_path)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_inspect_shows_a_view(jhmdb_like: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("joints: [left_arm]\nclasses: [wave]\n")
    words = ("inspect", str(jhmdb_like), "--view", "mine.yaml", "data.classes=[wave,'sit']", "rest=other")
    ended = in_process("mmn", *words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "view: 3 of 15 joints; the centre is left_shoulder, as belly is left out" in ended.stdout
    summary = json.loads(in_process("mmn", *words, "--json", cwd=tmp_path).stdout)
    assert list(summary["classes"]) == ["sit", "wave", "other"]
    assert summary["classes"]["other"] == {"train": 48, "val": 24, "test": 24}
    ready = json.loads(
        in_process("mmn", "inspect", str(jhmdb_like), "--json", "--view", "upper_body", cwd=tmp_path).stdout
    )
    assert ready["joints"] == 9
