"""Readers of further pose estimators, motion capture and data sets, on files in their documented formats."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pose_files import (
    FRAMES,
    alphapose_open,
    kinetics,
    landmark,
    mediapipe_csv,
    mediapipe_json,
    mediapipe_long_csv,
    mediapipe_npy,
    ntu,
    ntu_arrays,
    pyskl_ntu,
    stgcn,
    walk,
    yolo_json,
    yolo_text,
)

from mmn.data.format.layout import load_layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.convert import convert
from mmn.data.sources.formats import recognise
from mmn.errors import UserError


def nose(data: SkeletonData) -> list[float]:
    return next(iter(data.splits.values())).clip(0)[:, 0, 0].astype(float).round(2).tolist()


SIZE = {"picture": (1920, 1080)}
CASES: list[tuple[Callable[[Path, np.ndarray], Path], str, str, int, int, dict]] = [
    (yolo_json, "yolo", "coco17", 17, 2, {}),
    (yolo_text, "yolo", "coco17", 17, 2, SIZE),
    (kinetics, "kinetics", "openpose18", 18, 2, SIZE),
    (alphapose_open, "alphapose", "openpose18", 18, 2, {}),
    (stgcn, "stgcn", "openpose18", 18, 2, {}),
    (ntu, "ntu", "ntu25", 25, 3, {}),
    (ntu_arrays, "ntu-arrays", "ntu25", 25, 3, {}),
    (pyskl_ntu, "pyskl", "ntu25", 25, 3, {}),
    (mediapipe_json, "mediapipe", "blazepose33", 33, 3, SIZE),
    (mediapipe_csv, "mediapipe", "blazepose33", 33, 3, SIZE),
    (mediapipe_long_csv, "mediapipe", "blazepose33", 33, 3, SIZE),
    (mediapipe_npy, "arrays", "blazepose33", 33, 3, SIZE),
]


@pytest.mark.parametrize(
    ("write", "format", "layout", "points", "axes", "options"), CASES, ids=[c[0].__name__ for c in CASES]
)
def test_each_format_is_detected_and_read(
    tmp_path: Path, write: Callable, format: str, layout: str, points: int, axes: int, options: dict
) -> None:
    (tmp_path / "source").mkdir()
    x = walk(points, axes, people=2 if format not in ("mediapipe", "arrays") else 1)
    if format in ("mediapipe", "arrays"):
        x[0, :, 27, 1] = 2500  # an ankle below a picture of 1080 lines
    if len(x) == 2:
        x[1, FRAMES // 2 :] = 0 if "ntu" in format or format in ("stgcn", "pyskl") else x[1, FRAMES // 2 :]
    source = write(tmp_path / "source", x)
    assert recognise(source) == format
    data = convert(source, tmp_path / "x.h5", "auto", person="longest", **options)
    clips = next(iter(data.splits.values()))
    np.testing.assert_allclose(clips.clip(0), x[0], rtol=2e-3, atol=0.01)
    assert data.layout.num_joints == points
    assert clips.labels.tolist() == [3 if format in ("kinetics", "stgcn", "ntu", "ntu-arrays", "pyskl") else -1]
    if options:
        with pytest.raises(UserError, match=r"normalised by the picture size.*--picture 1920x1080"):
            convert(source, tmp_path / "x.h5", "auto", person="longest")


def test_metres_around_the_hips_are_not_taken_as_normalised_coordinates(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [[{"x": x, "y": y, "z": 0, "visibility": 1} for x, y in rng.uniform(-0.9, 0.9, (33, 2))] for _ in range(3)]
    (tmp_path / "clip.json").write_text(json.dumps(frames))
    clip = convert(tmp_path / "clip.json", tmp_path / "x.h5", "blazepose33").splits["test"].clip(0)
    np.testing.assert_allclose(clip[0, 0, 0], frames[0][0]["x"], rtol=1e-6)


def test_ntu_subjects_are_groups(tmp_path: Path) -> None:
    data = convert(ntu(tmp_path, walk(25, 3)), tmp_path / "x.h5", "ntu25")
    assert data.splits["test"].groups == ["P003"]


def test_holistic_is_read_as_ma52_with_face_and_hands(tmp_path: Path) -> None:
    parts = {"pose_landmarks": 33, "face_landmarks": 468, "left_hand_landmarks": 21, "right_hand_landmarks": 21}
    rng = np.random.default_rng(0)
    frames = [{k: [landmark(p) for p in rng.uniform(100, 900, (n, 3))] for k, n in parts.items()} for _ in range(3)]
    frames[1]["left_hand_landmarks"] = None
    (tmp_path / "clip.json").write_text(json.dumps(frames))
    data = convert(tmp_path / "clip.json", tmp_path / "x.h5", "ma52", channels="xys", missing="interpolate", **SIZE)
    clips = data.splits["test"]
    assert clips.keypoints.shape == (3, 44, 2)
    tip = frames[0]["left_hand_landmarks"][8]  # the index finger's
    joint = data.layout.joints.index("left_index_tip")
    np.testing.assert_allclose(clips.clip(0)[0, joint], [tip["x"] * 1920, tip["y"] * 1080], rtol=1e-5)
    assert {data.layout.joints[j] for j in np.flatnonzero(clips.filled[1])} >= {"left_hand_root", "left_middle_tip"}


def test_folders_are_classes_within_split_folders(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for label in ("nod", "wave"):
            (tmp_path / "src" / split / label).mkdir(parents=True)
            for i in range(2):
                np.save(tmp_path / "src" / split / label / f"{split}{label}{i}.npy", walk(17)[0])
    data = convert(tmp_path / "src", tmp_path / "x.h5", "coco17")
    assert data.classes.names == ["nod", "wave"]
    assert data.splits["train"].names == ["trainnod0", "trainnod1", "trainwave0", "trainwave1"]
    assert data.splits["val"].labels.tolist() == [0, 0, 1, 1]
    assert nose(data) == [300 + t for t in range(FRAMES)]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.skeleton", "2\n1\n72 0\n25\n1 2\n", "is truncated or not an NTU skeleton file"),
        ("a.bvh", "HIERARCHY\nROOT\n", "is truncated or not a BVH file"),
        ("a.csv", "scorer,a\nbodyparts,b\ncoords,x\n0,word\n", "is not a DeepLabCut result"),
        ("a.c3d", "word", "is not a readable C3D file"),
        ("a_1.txt", "0 " + "0.5 " * 55 + "\n0 0.5\n", "line 2 is not class, box and 17 points"),
        ("a.json", '[[{"keypoints": {"x": [1], "y": [1]}}]]', "has 1 points; use a YOLO-pose model"),
        ("a.json", '{"data": [{"skeleton": [{"pose": [1, 2]}]}]}', "lacks pose or score"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, file: str, content: str, message: str) -> None:
    if file.endswith(".c3d"):
        pytest.importorskip("ezc3d")
    (tmp_path / file).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        convert(tmp_path / file, tmp_path / "x.h5", "auto")
    assert "\n" not in str(error.value)


def test_points_that_mmpose_names_otherwise_are_not_taken_as_coco(tmp_path: Path) -> None:
    people = [{"frame_id": t, "instances": [{"keypoints": [[t + 1, 5]] * 17, "keypoint_scores": [1] * 17}]}
              for t in range(4)]  # fmt: skip
    for first, named in (("nose", True), ("root", False)):
        about = {"dataset_name": "h36m", "keypoint_id2name": {"0": first, "1": "right_hip"}}
        (tmp_path / "clip.json").write_text(json.dumps({"meta_info": about, "instance_info": people}))
        if named:
            assert convert(tmp_path / "clip.json", tmp_path / "x.h5", "auto").layout == load_layout("coco17")
        else:
            with pytest.raises(UserError, match="17 points, which identifies no pose estimator; name the layout"):
                convert(tmp_path / "clip.json", tmp_path / "y.h5", "auto")


def test_17_points_in_3d_identify_no_estimator(tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).normal(0, 300, (5, 17, 3)).astype(np.float32))
    with pytest.raises(UserError, match="17 points, which identifies no pose estimator"):
        convert(tmp_path / "clip.npy", tmp_path / "x.h5", "auto")


def test_missing_joints_of_normalised_coordinates_are_missing_in_pixels(tmp_path: Path) -> None:
    poses = np.random.default_rng(0).uniform(0.1, 0.9, (10, 17, 2)).astype(np.float32)
    poses[:, 9, 0], poses[3:5, 9] = np.linspace(0.1, 0.19, 10), -1
    poses[2:8, :7] = -1  # so many that they alone make a quarter of all values negative
    np.savez(tmp_path / "clip.npz", clip=poses)
    data = convert(tmp_path / "clip.npz", tmp_path / "x.h5", "coco17", missing="interpolate", max_filled=0.9, **SIZE)
    x = data.splits["test"].clip(0)[:, 9, 0]
    np.testing.assert_allclose(x, 1920 * np.linspace(0.1, 0.19, 10), rtol=1e-4)


def test_two_videos_of_frame_files_in_one_subfolder_are_two_clips(tmp_path: Path) -> None:
    for video, start in (("va", 0), ("vb", 500)):
        for t in range(1, 5):
            numbers = [0, 0.5, 0.5, 0.2, 0.2, *np.c_[np.full((17, 2), (start + t) / 1920), np.full(17, 0.9)].ravel()]
            path = tmp_path / "src" / "labels" / f"{video}_{t}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(" ".join(map(str, numbers)) + "\n")
    data = convert(tmp_path / "src", tmp_path / "x.h5", "coco17", **SIZE)
    assert data.splits["test"].names == ["labels/va", "labels/vb"]
    deep = tmp_path / "src" / "a" / "b" / "vc_1.txt"
    deep.parent.mkdir(parents=True)
    deep.write_text(path.read_text())
    with pytest.raises(UserError, match=r"vc_1\.txt is two folders below"):
        convert(tmp_path / "src", tmp_path / "y.h5", "coco17", **SIZE)


def test_all_people_of_a_recording_are_one_group(tmp_path: Path) -> None:
    data = convert(yolo_json(tmp_path, walk(17, people=2)), tmp_path / "x.h5", "coco17", person="all")
    assert data.splits["test"].groups == ["clip", "clip"]
    assert convert(tmp_path / "clip.json", tmp_path / "y.h5", "coco17").splits["test"].groups is None


@pytest.mark.parametrize("odd", [[300, 200, 1.03], [-1, -1, -1]])
def test_scores_are_not_taken_for_depth(odd: list[float], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(100, 900, (6, 17, 2)), rng.uniform(0.3, 1, (6, 17, 1))], axis=2)
    points[2, 5] = odd
    np.save(tmp_path / "clip.npy", points.astype(np.float32))
    with pytest.raises(UserError, match="like a score; give --channels xys"):
        convert(tmp_path / "clip.npy", tmp_path / "x.h5", "coco17", missing="interpolate")
    np.save(tmp_path / "clip.npy", (points * [0.003, 0.003, 1.4]).astype(np.float32))  # metres
    assert convert(tmp_path / "clip.npy", tmp_path / "y.h5", "coco17", missing="interpolate").coordinates == 3
