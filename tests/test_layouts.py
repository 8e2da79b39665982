"""Layouts of pose estimators: joint order, bones, plots, and ``--layout auto``."""

from pathlib import Path

import numpy as np
import pytest
from commands import in_process

from mmn.data.format.layout import BUILT_IN, NAMED, load_layout
from mmn.data.sources import points
from mmn.data.sources.convert import convert
from mmn.errors import UserError

OF_ESTIMATORS = {
    "coco17": points.COCO_17,
    "halpe26": points.HALPE_26,
    "body25": points.BODY_25,
    "openpose18": points.OPENPOSE_18,
    "blazepose33": points.BLAZEPOSE_33,
    "ntu25": points.NTU_25,
    "kinect20": points.KINECT_20,
}


@pytest.mark.parametrize("name", OF_ESTIMATORS)
def test_a_layout_has_its_estimators_points_in_order(name: str) -> None:
    layout = load_layout(name)
    assert [OF_ESTIMATORS[name][joint] for joint in layout.joints] == list(range(layout.num_joints))


@pytest.mark.parametrize("name", OF_ESTIMATORS)
def test_every_joint_but_the_centre_starts_a_bone_towards_it(name: str) -> None:
    layout = load_layout(name)
    ends = layout.bone_end("official")
    np.testing.assert_array_equal(ends, layout.bone_end("tree"))
    assert np.flatnonzero(ends == np.arange(layout.num_joints)).tolist() == [layout.centre]
    sided = [joint for joint in layout.joints if {"left", "right"} & set(joint.split("_"))]
    assert 2 * len(layout.flip_pairs) == len(sided)


def test_built_in_layouts_are_listed_and_drawn(tmp_path: Path) -> None:
    listed = in_process("mmn", "layouts", cwd=tmp_path)
    assert [line.split()[0] for line in listed.stdout.splitlines() if line[:1].strip()][1:] == list(BUILT_IN)
    drawn = in_process("mmn", "layouts", "coco17", "--plot", "out.png", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert "left_arm: 5 left_shoulder, 7 left_elbow, 9 left_wrist" in drawn.stdout
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert "name it" in in_process("mmn", "layouts", "--plot", "out.png", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((17, 2), "coco17"),
        ((26, 2), "halpe26"),
        ((136, 2), "ma52"),
        ((133, 2), "ma52"),
        ((137, 2), "body25"),
        ((18, 2), "openpose18"),
        ((25, 2), "body25"),
        ((25, 3), "ntu25"),
        ((33, 3), "blazepose33"),
    ],
)
def test_auto_finds_the_layout_of_the_points(tmp_path: Path, shape: tuple[int, int], layout: str) -> None:
    clip = np.random.default_rng(0).uniform(5, 100, (4, *shape))
    np.savez(tmp_path / "x.npz", a=clip)
    data = convert(tmp_path / "x.npz", tmp_path / "x.h5", "auto")
    assert data.layout == load_layout(layout)
    if layout not in NAMED:
        assert data.classes.names == ["class 0"]
        joints = clip if layout != "body25" else clip[:, :25]
        np.testing.assert_array_equal(data.splits["test"].clip(0), joints.astype(np.float32))


def test_auto_refuses_an_unknown_number_of_points(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones((4, 11, 2)))
    with pytest.raises(UserError, match="--layout auto: people have 11 points"):
        convert(tmp_path / "x.npz", tmp_path / "x.h5", "auto")


@pytest.mark.parametrize(
    ("labels", "names", "indices"),
    [(["wave", "nod"], ["nod", "wave"], [1, 0]), (["2", "0"], ["class 0", "class 1", "class 2"], [2, 0])],
)
def test_class_names_default_to_those_in_the_labels(
    tmp_path: Path, labels: list[str], names: list[str], indices: list[int]
) -> None:
    np.savez(tmp_path / "x.npz", a=np.ones((4, 17, 2)), b=np.ones((4, 17, 2)))
    rows = "".join(f"{name},{label},train\n" for name, label in zip("ab", labels, strict=True))
    (tmp_path / "labels.csv").write_text("name,label,split\n" + rows)
    data = convert(tmp_path / "x.npz", tmp_path / "x.h5", "coco17", labels=tmp_path / "labels.csv")
    assert data.classes.names == names
    assert data.splits["train"].labels.tolist() == indices
