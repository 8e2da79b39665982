"""The HDF5 file: atomic writing, and checks on reading."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.layout import NAMED, Layout, load_layout
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError


def same(a: SkeletonData, b: SkeletonData) -> bool:
    return (
        (a.name, a.source, a.layout, a.classes, set(a.splits)) == (b.name, b.source, b.layout, b.classes, set(b.splits))
    ) and all(
        np.array_equal(clips.keypoints, b.splits[split].keypoints)
        and np.array_equal(clips.filled, b.splits[split].filled)
        and np.array_equal(clips.offsets, b.splits[split].offsets)
        and np.array_equal(clips.labels, b.splits[split].labels)
        and clips.names == b.splits[split].names
        and clips.groups == b.splits[split].groups
        for split, clips in a.splits.items()
    )


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=6),
    coordinates=st.sampled_from([2, 3]),
    groups=st.booleans(),
    filled=st.booleans(),
    subjects=st.booleans(),
    layout=st.sampled_from(NAMED),
    seed=st.integers(0, 2**32 - 1),
)
def test_data_survives_a_round_trip(
    tmp_path_factory, lengths, coordinates, groups, filled, subjects, layout, seed
) -> None:
    rng = np.random.default_rng(seed)
    skeleton = load_layout(layout)
    arrays = [rng.normal(0, 100, (n, skeleton.num_joints, coordinates)).astype(np.float32) for n in lengths]
    names = [f"clip ü{i}" for i in range(len(arrays))]
    clips = Clips.from_arrays(arrays, rng.integers(-1, 3, len(arrays)).tolist(), names)
    if filled:
        clips = replace(clips, filled=rng.random(clips.keypoints.shape[:2]) < 0.1)
    if subjects:
        clips = replace(clips, groups=[f"subject {i}" for i in rng.integers(0, 3, len(arrays))])
    classes = Classes(["a", "b", "c"], [0, 1, 1] if groups else [], ["g", "h"] if groups else [])
    data = SkeletonData("x", "made here", skeleton, classes, {"train": clips, "test": clips})
    path = tmp_path_factory.mktemp("round") / "x.h5"
    write_data(path, data)
    assert same(read_data(path), data)


@pytest.mark.parametrize("name", NAMED)
def test_named_layouts_are_consistent(name: str) -> None:
    layout, classes = load_layout(name), load_classes(name)
    assert (layout.num_joints, len(classes.names)) == {"ma52": (44, 52), "imigue": (22, 32), "jhmdb": (15, 14)}[name]
    assert Layout.from_dict(layout.as_dict(), "a test") == layout
    for left, right in layout.flip_pairs:
        assert layout.joints[left].removeprefix("left") == layout.joints[right].removeprefix("right")


def test_ma52_classes_are_in_the_published_body_groups() -> None:
    classes = load_classes("ma52")
    bounds = [0, 5, 11, 24, 32, 38, 48, 52]
    assert classes.group_of_class == [g for g in range(7) for _ in range(bounds[g + 1] - bounds[g])]


def test_the_official_bone_rule_leaves_16_ma52_and_12_imigue_joints_without_a_bone() -> None:
    def without(name: str) -> list[int]:
        return [joint for joint, end in enumerate(load_layout(name).bone_end("official")) if joint == end]

    assert without("ma52") == [3, 4, *range(20, 24), *range(33, 38), *range(39, 44)]
    assert without("imigue") == list(range(10, 22))


@pytest.mark.parametrize("name", NAMED)
def test_the_tree_rule_gives_all_joints_but_the_centre_a_bone_towards_it(name: str) -> None:
    layout = load_layout(name)
    end = layout.bone_end("tree")
    pairs = {frozenset(bone) for bone in layout.bones}
    for joint in range(layout.num_joints):
        if joint != layout.centre:
            assert frozenset((joint, int(end[joint]))) in pairs
        for _ in range(layout.num_joints):
            joint = int(end[joint])
        assert joint == layout.centre


def test_the_tree_rule_needs_bones_that_connect_every_joint() -> None:
    layout = Layout(["a", "b", "c"], [(0, 1)], {"all": [0, 1, 2]}, 0, [])
    with pytest.raises(UserError, match="no bones lead from c to the centre a"):
        layout.bone_end("tree")


def edit(path: Path, change) -> None:
    with h5py.File(path, "a") as file:
        change(file)


def put(name: str, value):
    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value(file) if callable(value) else value

    return change


def assign(name: str, index, value):
    def change(file: h5py.File) -> None:
        file[name][index] = value

    return change


DAMAGES = {
    "no format": (lambda f: f.attrs.pop("format"), "not a skeleton file"),
    "future version": (lambda f: f.attrs.modify("version", 9), "format version 9"),
    "no layout": (lambda f: f.pop("layout"), "lacks the group layout/"),
    "no classes": (lambda f: f.pop("classes"), "lacks the group classes/"),
    "no splits": (lambda f: [f.pop(s) for s in ("train", "val", "test")], "none of the splits"),
    "no keypoints": (put("train/keypoints", None), "lacks train/keypoints"),
    "keypoints as integers": (put("val/keypoints", np.zeros((9, 15, 2), np.int64)), "val/keypoints is int64"),
    "keypoints flat": (put("val/keypoints", np.zeros((9, 30))), "val/keypoints is float64 of shape"),
    "too few joints": (put("val/keypoints", lambda f: np.zeros((f["val/offsets"][-1], 9, 2))), "9 joints per frame"),
    "one coordinate": (put("val/keypoints", lambda f: np.zeros((f["val/offsets"][-1], 15, 1))), "1 coordinates"),
    "mixed coordinates": (put("val/keypoints", lambda f: np.zeros((f["val/offsets"][-1], 15, 3))), "another split"),
    "offsets short": (put("train/offsets", np.arange(3)), "train/offsets is int64 of shape"),
    "offsets as floats": (put("train/offsets", np.zeros(57)), "train/offsets is float64"),
    "offsets out of order": (assign("train/offsets", 1, 10_000), "offsets do not increase"),
    "offsets not from 0": (assign("train/offsets", 0, 1), "offsets do not increase"),
    "an empty clip": (lambda f: assign("train/offsets", 1, 0)(f), "clip train0000 has no frames"),
    "names missing": (put("train/names", None), "train/names is missing"),
    "names as numbers": (put("train/names", np.arange(56)), "train/names is missing or not a list of names"),
    "a name twice": (assign("train/names", 1, "train0000"), "several clips are named train0000"),
    "a NaN": (assign("train/keypoints", (5, 2, 0), np.nan), r"clip train0000, frame 5, joint 2 \(face\) is missing"),
    "an infinity": (assign("test/keypoints", (0, 0, 1), np.inf), "split test: clip test0000, frame 0, joint 0"),
    "label out of range": (assign("train/labels", 3, 14), "clip train0003 has label 14"),
    "label below -1": (assign("train/labels", 3, -2), "clip train0003 has label -2"),
    "labels as floats": (put("train/labels", np.zeros(56)), "train/labels is float64"),
    "bone to nowhere": (assign("layout/bones", (0, 1), 99), "names joint 99 in bones"),
    "centre to nowhere": (lambda f: f["layout"].attrs.modify("centre", 15), "names joint 15 in centre"),
    "order twice": (assign("layout/order", 0, 4), "layout/order"),
    "parts torn apart": (assign("layout/part_of_joint", 3, 4), "does not keep the body parts together"),
    "a joint name twice": (assign("layout/joint_names", 0, "belly"), "names one twice"),
    "a class name twice": (assign("classes/names", 0, "clap"), "a duplicate one"),
    "a mask of another size": (
        lambda f: f["val"].create_dataset("filled", data=np.zeros((3, 15), np.uint8)),
        "val/filled",
    ),
    "a clip's group without a name": (
        lambda f: f["val"].update({"groups": np.full(28, 1), "group_names": ["a"]}),
        "split val: the groups are not all among its 1 group names",
    ),
    "a clip's group without words": (
        lambda f: f["val"].update({"groups": np.zeros(28, int), "group_names": [""]}),
        "split val: clip val0000 has no group",
    ),
    "groups without names": (lambda f: f["classes"].create_dataset("group_of_class", data=np.zeros(14, int)), "group"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_with_a_one_line_message(damage: str, jhmdb_like: Path, tmp_path: Path) -> None:
    change, message = DAMAGES[damage]
    path = tmp_path / "damaged.h5"
    path.write_bytes(jhmdb_like.read_bytes())
    edit(path, change)
    with pytest.raises(UserError, match=message) as error:
        read_data(path)
    assert "damaged.h5" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not HDF5", None])
def test_files_of_another_format_are_refused(content, jhmdb_like: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.h5"
    path.write_bytes(jhmdb_like.read_bytes()[:5000] if content is None else content)
    with pytest.raises(UserError, match="not a readable HDF5 file"):
        read_data(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no data file"):
        read_data(tmp_path / "nothing.h5")


def test_refused_data_leaves_no_file(small: SkeletonData, tmp_path: Path) -> None:
    bad = SkeletonData("x", "", small.layout, Classes(["only one"], [], []), small.splits)
    with pytest.raises(UserError, match="outside 0…0"):
        write_data(tmp_path / "x.h5", bad)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_keeps_the_existing_file(small: SkeletonData, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "x.h5"
    write_data(path, small)
    before = path.read_bytes()
    monkeypatch.setattr("mmn.data.format.hdf5.write_classes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_data(path, small)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y.pop("centre"), r"lacks \['centre'\]"),
        (lambda y: y.update(joint=1), r"unknown keys \['joint'\]"),
        (lambda y: y.update(centre="tail"), "names joint 'tail' in centre"),
        (lambda y: y["parts"].pop("torso"), "joint neck in no part"),
        (lambda y: y["bones"].append(["neck"]), "give pairs of two joints"),
        (lambda y: y["joints"].append("neck"), "names one twice"),
        (lambda y: y.update(bones=5), "needs joints, bones and flip_pairs as lists"),
        (lambda y: y.update(parts=[1]), "needs joints, bones and flip_pairs as lists"),
        (lambda y: y["bones"].append(["neck", "neck"]), "give pairs of two joints"),
        (lambda y: y["flip_pairs"].append(["left_hip", "neck"]), "joint left_hip in several flip_pairs"),
    ],
)
def test_an_inconsistent_layout_is_refused(change, message: str) -> None:
    plain = load_layout("jhmdb").as_dict()
    change(plain)
    with pytest.raises(UserError, match=message):
        Layout.from_dict(plain, "a test")


def test_layouts_are_read_from_yaml_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("joints: [a, b]\nbones: [[b, a]]\nparts: {all: [b, a]}\ncentre: a\nclasses: [x, y]\n")
    assert load_layout(path).order == [1, 0]
    assert load_classes(path).names == ["x", "y"]
    for text, message in (("joints: [", "not a readable layout"), ("[]", "not a table"), (None, "there is no layout")):
        path.unlink() if text is None else path.write_text(text)
        with pytest.raises(UserError, match=message):
            load_layout(path)
