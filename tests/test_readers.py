"""Readers of pose formats, checked joint by joint on files in the schemas of their writers."""

import json
from pathlib import Path

import numpy as np
import pytest
from pose_files import people

from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import load_layout
from mmn.data.sources.convert import convert
from mmn.data.sources.formats import recognise
from mmn.data.sources.points import BODY_25, HALPE_136, WHOLEBODY_133
from mmn.errors import UserError

# Index of each MA-52 joint among the estimators' points, as published.
HALPE = [*range(26), 54, 59, 62, 71, 77, 83, 94, 98, 102, 106, 110, 114, 115, 119, 123, 127, 131, 135]
WHOLEBODY = [
    *range(17), -1, -1, -1, 17, 20, 18, 21, 19, 22, 51, 56, 59, 68, 74, 80,
    91, 95, 99, 103, 107, 111, 112, 116, 120, 124, 128, 132,
]  # fmt: skip
# Index of each iMiGUE joint among OpenPose's 25 body points; the ten finger tips are in the hands.
OPENPOSE_BODY = [0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18]


def labels_csv(folder: Path, names: list[str], text: str = "waving") -> Path:
    path = folder / "labels.csv"
    path.write_text("name,label,split\n" + "".join(f"{name},{text},train\n" for name in names))
    return path


def write_alphapose(path: Path, x: np.ndarray, tracked: bool = False, first: int = 0) -> None:
    detections = [
        {
            "image_id": f"{first + t}.jpg",
            "category_id": 1,
            "keypoints": x[p, t].ravel().tolist(),
            "score": float(x[p, t, :, 2].sum()),
            "box": [0.0, 0.0, 1.0, 1.0],
            **({"idx": [float(p + 1)]} if tracked else {}),
        }
        for t in range(x.shape[1])
        for p in range(len(x))
    ]
    path.write_text(json.dumps(detections))


def write_openpose(folder: Path, x: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for t in range(x.shape[1]):
        entries = [
            {
                "person_id": [-1],
                "pose_keypoints_2d": person[t, :25].ravel().tolist(),
                "face_keypoints_2d": [],
                "hand_left_keypoints_2d": person[t, 95:116].ravel().tolist(),
                "hand_right_keypoints_2d": person[t, 116:137].ravel().tolist(),
                "pose_keypoints_3d": [],
            }
            for person in x
        ]
        name = f"{folder.name}_{t:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": entries}))


def write_wholebody(path: Path, x: np.ndarray, wrapped: bool) -> None:
    frames = [
        {
            "frame_id": t + 1,
            "instances": [
                {
                    "keypoints": person[t, :, :2].tolist(),
                    "keypoint_scores": person[t, :, 2].tolist(),
                    "bbox": [[0, 0, 1, 1]],
                    "bbox_score": 0.9,
                }
                for person in x
            ],
        }
        for t in range(x.shape[1])
    ]
    content = {"meta_info": {"dataset_name": "coco_wholebody"}, "instance_info": frames} if wrapped else frames
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("tracked", [False, True])
def test_alphapose_is_read_as_ma52(tmp_path: Path, tracked: bool) -> None:
    source = tmp_path / "poses"
    source.mkdir()
    x = people(3, 7, 136)
    write_alphapose(source / "clip_a.json", x, tracked, first=5)
    assert recognise(source) == "alphapose"
    data = convert(source, tmp_path / "x.h5", "ma52", labels=labels_csv(tmp_path, ["clip_a"]))
    clips = read_data(tmp_path / "x.h5").splits["train"]
    np.testing.assert_array_equal(clips.clip(0), x[2][:, HALPE, :2])  # the highest scores of the three
    assert clips.names == ["clip_a"]
    assert data.classes.names[clips.labels[0]] == "waving"
    assert "2 other people were left out" in data.source


def test_openpose_is_read_as_imigue(tmp_path: Path) -> None:
    x = people(2, 5, 137)
    write_openpose(tmp_path / "poses" / "clip_b", x)
    assert recognise(tmp_path / "poses") == "openpose"
    convert(tmp_path / "poses", tmp_path / "x.h5", "imigue", labels=labels_csv(tmp_path, ["clip_b"], "3"))
    clips = read_data(tmp_path / "x.h5").splits["train"]
    tips = [4, 8, 12, 16, 20]
    joints = [*OPENPOSE_BODY, *(116 + i for i in tips), *(95 + i for i in tips)]  # right hand first
    np.testing.assert_array_equal(clips.clip(0), x[1][:, joints, :2])
    assert clips.labels.tolist() == [3]


@pytest.mark.parametrize("wrapped", [False, True])
def test_wholebody_is_read_as_ma52_with_midpoints_and_an_estimated_head_top(tmp_path: Path, wrapped: bool) -> None:
    source = tmp_path / "poses"
    source.mkdir()
    x = people(1, 6, 133)
    write_wholebody(source / "clip_c.json", x, wrapped)
    assert recognise(source) == "mmpose"
    data = convert(source, tmp_path / "x.h5", "ma52", labels=labels_csv(tmp_path, ["clip_c"]))
    clip, points = read_data(tmp_path / "x.h5").splits["train"].clip(0), x[0, :, :, :2]
    given = [joint for joint in range(44) if WHOLEBODY[joint] >= 0]
    np.testing.assert_array_equal(clip[:, given], points[:, [WHOLEBODY[joint] for joint in given]])
    np.testing.assert_allclose(clip[:, 18], points[:, [5, 6]].mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(clip[:, 19], points[:, [11, 12]].mean(axis=1), rtol=1e-6)
    eyes = points[:, [1, 2]].mean(axis=1)
    np.testing.assert_allclose(clip[:, 17], eyes + 0.54 * (eyes - clip[:, 18]), rtol=1e-4)
    assert "head_top is estimated" in data.source
    assert "neck is the midpoint of left_shoulder and right_shoulder" in data.source


def test_a_custom_layout_of_an_estimators_points_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "joints: [face_30, left_hand_8, neck]\nbones: [[face_30, neck], [left_hand_8, neck]]\n"
        "parts: {all: [face_30, left_hand_8, neck]}\ncentre: neck\nclasses: [one]\n"
    )
    x = people(1, 4, 136)
    write_alphapose(tmp_path / "a.json", x)
    data = convert(tmp_path / "a.json", tmp_path / "x.h5", tmp_path / "mine.yaml")
    np.testing.assert_array_equal(data.splits["test"].clip(0), x[0][:, [26 + 30, 94 + 8, 18], :2])
    assert data.splits["test"].labels.tolist() == [-1]  # without labels.csv: an unlabelled test split


def test_joints_that_an_estimator_lacks_are_named(tmp_path: Path) -> None:
    write_alphapose(tmp_path / "a.json", people(1, 4, 136))
    with pytest.raises(UserError, match="Halpe's 136 points, which lack belly and 1 more of the layout jhmdb"):
        convert(tmp_path / "a.json", tmp_path / "x.h5", "jhmdb")


@pytest.mark.parametrize("score", [0.0, 0.3])
def test_joints_with_low_scores_are_refused_or_interpolated(tmp_path: Path, score: float) -> None:
    x = people(1, 5, 136)
    x[0, 2, 9, 2] = score  # left wrist, middle frame
    write_alphapose(tmp_path / "a.json", x)
    with pytest.raises(UserError, match=r"clip a, frame 2, joint 9 \(left_wrist\) is missing \(1 of 220 joints"):
        convert(tmp_path / "a.json", tmp_path / "x.h5", "ma52", min_score=0.3)
    convert(tmp_path / "a.json", tmp_path / "x.h5", "ma52", min_score=0.3, missing="interpolate")
    clips = read_data(tmp_path / "x.h5").splits["test"]
    np.testing.assert_allclose(clips.clip(0)[2, 9], x[0, [1, 3], 9, :2].mean(axis=0), rtol=1e-6)
    assert np.argwhere(clips.filled).tolist() == [[2, 9]]


def test_a_person_is_tracked_when_detections_change_order(tmp_path: Path) -> None:
    x = people(2, 6, 136)
    x[1, ..., 2] = 0.9
    detections = []
    for t in range(6):
        for p in (0, 1) if t % 2 else (1, 0):
            detections.append({"image_id": f"{t}.jpg", "keypoints": x[p, t].ravel().tolist(), "score": 1.0})
    ghost = x[0, 3] + np.float32([3000, 3000, 0.49])  # the highest score, but only in one frame
    detections.append({"image_id": "3.jpg", "keypoints": ghost.ravel().tolist(), "score": 9.0})
    (tmp_path / "a.json").write_text(json.dumps(detections))
    data = convert(tmp_path / "a.json", tmp_path / "x.h5", "ma52")
    np.testing.assert_array_equal(data.splits["test"].clip(0), x[1][:, HALPE, :2])
    assert "2 other people" in data.source


def test_arrays_are_read_from_npz_files_and_folders(tmp_path: Path) -> None:
    x = {name: np.random.default_rng(i).normal(size=(4 + i, 15, 3)) for i, name in enumerate("ab")}
    np.savez(tmp_path / "x.npz", **x)
    (tmp_path / "folder").mkdir()
    for name, array in x.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    labels = labels_csv(tmp_path, ["a", "b"], "clap")
    for source in (tmp_path / "x.npz", tmp_path / "folder"):
        assert recognise(source) == "arrays"
        clips = convert(source, tmp_path / "x.h5", "jhmdb", labels=labels).splits["train"]
        np.testing.assert_array_equal(clips.clip(1), x["b"].astype(np.float32))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("name,label\na,clap\n", "has name, label in its first line"),
        ("name,label,split\na,clapping,train\n", "line 2: clip a has label 'clapping'"),
        ("name,label,split\na,14,train\n", "line 2: clip a has label '14'"),
        ("name,label,split\na,clap,trial\n", "clip a is in split 'trial'"),
        ("name,label,split\na,clap,train\na,clap,test\n", "line 3: the name 'a' occurs twice"),
        ("name,label,split\nb,clap,train\n", "clip a has no row in"),
        ("name,label,split\na,clap,train\nz,clap,train\n", "has a row without a clip: z; remove it"),
    ],
)
def test_invalid_labels_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((3, 15, 2)))
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(UserError, match=message):
        convert(tmp_path / "x.npz", tmp_path / "x.h5", "jhmdb", labels=tmp_path / "labels.csv")
    assert not (tmp_path / "x.h5").exists()


@pytest.mark.parametrize(
    ("name", "content", "format", "message"),
    [
        ("a.json", "{", None, "is not a readable JSON file"),
        ("a.json", "[]", None, "its JSON files are empty, so its format is unknown"),
        ("a.json", "[]", "alphapose", "clip a has nobody in any of its frames"),
        ("a.json", '[{"image_id": "0.jpg", "keypoints": [1, 2, 3]}]', None, "has detections with 1 points"),
        (
            "a.json",
            '[{"image_id": "x.jpg", "keypoints": [1, 2]}]',
            None,
            "detection 0 has 2 values that are not x, y, score",
        ),
        ("a.json", '[{"frame_id": 1, "instances": [{}]}]', None, "frame 0, person 0 lacks keypoints"),
        ("a/0.json", '{"people": [{"pose_keypoints_2d": [1]}]}', None, "has 1 values that are not x, y, score"),
        ("a/0.json", '{"people": []}', None, "clip a has nobody in any of its frames"),
        ("a.npy", "text", None, "a.npy is not a readable array file"),
        ("a.txt", "text", None, r"is in no known format \(it has .txt files\)"),
        ("a.json", "[]", "other", "unknown format 'other'"),
    ],
)
def test_damaged_pose_files_are_refused(tmp_path: Path, name: str, content: str, format: str, message: str) -> None:
    source = tmp_path / "poses"
    (source / name).parent.mkdir(parents=True)
    (source / name).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        convert(source, tmp_path / "x.h5", "ma52", format=format)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.h5").exists()


def test_layouts_and_estimators_use_the_same_joint_names() -> None:
    assert [HALPE_136[name] for name in load_layout("ma52").joints] == HALPE
    assert [WHOLEBODY_133.get(name, -1) for name in load_layout("ma52").joints] == WHOLEBODY
    assert [BODY_25[name] for name in load_layout("imigue").joints[:12]] == OPENPOSE_BODY
