"""Files as further estimators, motion capture and data sets write them, each made here after its documented form."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources.convert import convert
from mmn.data.sources.formats import recognise
from mmn.errors import UserError

FRAMES = 6


def walk(points: int, coordinates: int = 2, people: int = 1, seed: int = 0) -> np.ndarray:
    """``(M, T, P, C)``: the first point's x is 300 (then 500, …) plus the frame's number."""
    rng = np.random.default_rng(seed)
    pose = rng.uniform(100, 300, (people, 1, points, coordinates)) + np.zeros((1, FRAMES, 1, 1))
    pose[:, :, :, 0] += np.arange(FRAMES)[None, :, None]
    pose[:, :, 0, 0] = 300 + 200 * np.arange(people)[:, None] + np.arange(FRAMES)
    return pose.astype(np.float32)


def nose(data: SkeletonData) -> list[float]:
    return next(iter(data.splits.values())).clip(0)[:, 0, 0].astype(float).round(2).tolist()


def yolo_json(folder: Path, x: np.ndarray) -> Path:
    def person(pose: np.ndarray, number: int) -> dict:
        keypoints = {"x": pose[:, 0].tolist(), "y": pose[:, 1].tolist(), "visible": [0.9] * 17}
        return {"name": "person", "class": 0, "confidence": 0.9, "track_id": number, "keypoints": keypoints}

    frames = [[person(x[m, t], m + 1) for m in range(len(x))] for t in range(FRAMES)]
    (folder / "clip.json").write_text(json.dumps(frames))
    return folder


def yolo_text(folder: Path, x: np.ndarray) -> Path:
    for t in range(FRAMES):
        lines = []
        for m in range(len(x)):
            share = x[m, t] / [1920, 1080]
            numbers = [0, 0.5, 0.5, 0.2, 0.2, *np.c_[share, np.full(17, 0.9)].ravel(), 0.8, m + 1]
            lines.append(" ".join(f"{value:.8f}" for value in numbers))
        (folder / f"video_{t + 1}.txt").write_text("\n".join(lines) + "\n")
    return folder


def kinetics(folder: Path, x: np.ndarray) -> Path:
    def frame(t: int) -> dict:
        skeletons = [{"pose": (p[t] / [1920, 1080]).ravel().tolist(), "score": [0.9] * 18} for p in x]
        return {"frame_index": t + 1, "skeleton": skeletons}

    content = {"data": [frame(t) for t in range(FRAMES)], "label": "waving", "label_index": 3}
    (folder / "_abc.json").write_text(json.dumps(content))
    return folder


def ntu(folder: Path, x: np.ndarray) -> Path:
    lines = [str(FRAMES)]
    for t in range(FRAMES):
        lines.append(str(len(x)))
        for m in range(len(x)):
            lines += [f"7205759403792793{m} 0 1 1 1 1 0 0.01 0.02 2", "25"]
            lines += [" ".join(map(str, [*joint, 0, 0, 0, 0, 0, 0, 0, 0, 2])) for joint in x[m, t].tolist()]
    (folder / "S001C001P003R001A004.skeleton").write_text("\n".join(lines) + "\n")
    return folder


def ntu_arrays(folder: Path, x: np.ndarray) -> Path:
    both = np.zeros((FRAMES, 2, 25, 3), np.float32)
    both[:, : len(x)] = x.swapaxes(0, 1)
    one_hot = np.eye(4)[[3]]
    np.savez(folder / "NTU60_CS.npz", x_train=both.reshape(1, FRAMES, 150), y_train=one_hot)
    return folder / "NTU60_CS.npz"


def pyskl_ntu(folder: Path, x: np.ndarray) -> Path:
    annotation = {"frame_dir": "S001", "label": 3, "keypoint": x.astype(np.float16), "total_frames": FRAMES}
    content = {"split": {"xsub_train": ["S001"]}, "annotations": [annotation]}
    (folder / "ntu60_3d.pkl").write_bytes(pickle.dumps(content))
    return folder / "ntu60_3d.pkl"


def landmark(point: np.ndarray) -> dict:
    return dict(zip(("x", "y", "z", "visibility"), [*(point / [1920, 1080, 1920]).tolist(), 0.9], strict=True))


def mediapipe_json(folder: Path, x: np.ndarray) -> Path:
    frames = [{"frame": t, "pose_landmarks": [landmark(point) for point in x[0, t]]} for t in range(FRAMES)]
    (folder / "clip.json").write_text(json.dumps(frames))
    return folder


def mediapipe_csv(folder: Path, x: np.ndarray) -> Path:
    header = ",".join(f"x{i},y{i},z{i},v{i}" for i in range(33))
    rows = [",".join(f"{v:.8f}" for p in x[0, t] for v in landmark(p).values()) for t in range(FRAMES)]
    (folder / "clip.csv").write_text("\n".join(["frame," + header, *(f"{t},{row}" for t, row in enumerate(rows))]))
    return folder


def mediapipe_long_csv(folder: Path, x: np.ndarray) -> Path:
    rows = [
        f"{t},{i},{','.join(f'{v:.8f}' for v in landmark(x[0, t, i]).values())}"
        for t in range(FRAMES)
        for i in range(33)
    ]
    (folder / "clip.csv").write_text("\n".join(["frame,landmark,x,y,z,visibility", *rows]))
    return folder


def mediapipe_npy(folder: Path, x: np.ndarray) -> Path:
    share = x[0] / [1920, 1080, 1920]
    np.save(folder / "clip.npy", np.concatenate([share, np.full((FRAMES, 33, 1), 0.9)], axis=2))
    return folder


def stgcn(folder: Path, x: np.ndarray) -> Path:
    data = np.zeros((1, 3, FRAMES + 4, 18, 2), np.float32)
    data[0, :2, :FRAMES, :, : len(x)] = np.moveaxis(x, (3, 1, 2, 0), (0, 1, 2, 3))
    data[0, 2, :FRAMES, :, : len(x)] = 0.9
    np.save(folder / "val_data.npy", data)
    (folder / "val_label.pkl").write_bytes(pickle.dumps((["clip"], [3])))
    return folder


def alphapose_open(folder: Path, x: np.ndarray) -> Path:
    def people(t: int) -> list[dict]:
        return [{"pose_keypoints_2d": np.c_[p[t], np.full(18, 0.9)].ravel().tolist()} for p in x]

    content = {f"{t}.jpg": {"version": "AlphaPose v0.3", "people": people(t)} for t in range(FRAMES)}
    (folder / "clip.json").write_text(json.dumps(content))
    return folder


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
def test_each_form_is_recognised_and_read_point_by_point(
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
        with pytest.raises(UserError, match=r"shares of the picture.*--picture 1920x1080"):
            convert(source, tmp_path / "x.h5", "auto", person="longest")


def test_metres_around_the_hips_are_no_shares_of_a_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [[{"x": x, "y": y, "z": 0, "visibility": 1} for x, y in rng.uniform(-0.9, 0.9, (33, 2))] for _ in range(3)]
    (tmp_path / "clip.json").write_text(json.dumps(frames))
    clip = convert(tmp_path / "clip.json", tmp_path / "x.h5", "blazepose33").splits["test"].clip(0)
    np.testing.assert_allclose(clip[0, 0, 0], frames[0][0]["x"], rtol=1e-6)


def test_subjects_of_ntu_are_groups(tmp_path: Path) -> None:
    data = convert(ntu(tmp_path, walk(25, 3)), tmp_path / "x.h5", "ntu25")
    assert data.splits["test"].groups == ["P003"]


def test_holistic_gives_ma52_with_face_and_hands(tmp_path: Path) -> None:
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


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 2 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 3 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.033
10 20 30 0 0 0 0 0 0
10 20 30 90 0 0 90 0 0
"""


def test_bvh_turns_joints_about_their_parents(tmp_path: Path) -> None:
    (tmp_path / "walk.bvh").write_text(BVH)
    data = convert(tmp_path / "walk.bvh", tmp_path / "x.h5", "auto")
    assert data.layout.joints == ["Hips", "LeftLeg", "LeftLeg_end"]
    assert sorted(data.layout.bones) == [(0, 1), (2, 1)]
    clip = data.splits["test"].clip(0)
    np.testing.assert_allclose(clip[0], [[10, 20, 30], [12, 20, 30], [12, 23, 30]], atol=1e-5)
    np.testing.assert_allclose(clip[1], [[10, 20, 30], [10, 22, 30], [10, 19, 30]], atol=1e-5)


def test_c3d_markers_that_were_not_seen_are_missing(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["LASI", "RASI", "SACR"]
    points = np.ones((4, 3, 5))
    points[:3] = np.arange(45).reshape(3, 3, 5)
    points[:3, 1, 2] = np.nan
    file["data"]["points"] = points
    file.write(str(tmp_path / "walk.c3d"))
    data = convert(tmp_path / "walk.c3d", tmp_path / "x.h5", "auto", missing="interpolate")
    clips = data.splits["test"]
    assert data.layout.joints == ["LASI", "RASI", "SACR"]
    np.testing.assert_allclose(
        clips.clip(0), np.moveaxis(np.arange(45).reshape(3, 3, 5), 0, 2).swapaxes(0, 1), atol=1e-3
    )
    assert np.argwhere(clips.filled).tolist() == [[2, 1]]


DLC = [("DLC", part, axis) for part in ("snout", "leftear", "rightear") for axis in ("x", "y", "likelihood")]


def dlc_values() -> np.ndarray:
    values = np.arange(5 * 9, dtype=float).reshape(5, 9)
    values[:, 2::3] = 0.9
    return values


def dlc_csv(path: Path) -> None:
    rows = [[name, *(column[i] for column in DLC)] for i, name in enumerate(("scorer", "bodyparts", "coords"))]
    rows += [[t, *row] for t, row in enumerate(dlc_values())]
    path.with_suffix(".csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


def dlc_hdf5(path: Path) -> None:
    table = np.zeros(5, [("index", "<i8"), ("values_block_0", "<f8", (9,))])
    table["index"], table["values_block_0"] = np.arange(5), dlc_values()
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        dataset = file.create_dataset("df_with_missing/table", data=table)
        dataset.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(DLC, 0))


@pytest.mark.parametrize("write", [dlc_csv, dlc_hdf5])
def test_deeplabcut_brings_its_own_names(tmp_path: Path, write: Callable) -> None:
    (tmp_path / "source").mkdir()
    write(tmp_path / "source" / "mouse")
    assert recognise(tmp_path / "source") == "deeplabcut"
    data = convert(tmp_path / "source", tmp_path / "x.h5", "auto")
    assert data.layout.joints == ["snout", "leftear", "rightear"]
    assert data.layout.flip_pairs == [(1, 2)]
    assert len(data.layout.bones) == 2
    np.testing.assert_array_equal(data.splits["test"].clip(0)[4], [[36, 37], [39, 40], [42, 43]])


def test_a_hostile_name_table_is_refused(tmp_path: Path) -> None:
    dlc_hdf5(tmp_path / "mouse")
    with h5py.File(tmp_path / "mouse.h5", "a") as file:
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.bytes_(b"cos\nsystem\n(S'touch x'\ntR.")
    with pytest.raises(UserError, match=r"it names os.system.*nothing of it was executed"):
        convert(tmp_path / "mouse.h5", tmp_path / "x.h5", "auto", format="deeplabcut")


def sleap_hdf5(path: Path, x: np.ndarray) -> None:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["tracks"] = np.moveaxis(x, (0, 1, 2, 3), (0, 3, 2, 1))
        file["node_names"] = [b"head", b"thorax", b"tail"]
        file["point_scores"] = np.full((2, 3, FRAMES), 0.9)
        file["edge_inds"] = [[0, 1], [1, 2]]


def sleap_csv(path: Path, x: np.ndarray) -> None:
    nodes = ("head", "thorax", "tail")
    rows = ["track,frame_idx,instance.score," + ",".join(f"{n}.x,{n}.y,{n}.score" for n in nodes)]
    for m in range(2):
        for t in range(FRAMES):
            if np.isfinite(x[m, t]).all():
                rows.append(f"track_{m},{t},0.9," + ",".join(f"{a},{b},0.9" for a, b in x[m, t].tolist()))
    path.with_suffix(".csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("write", [sleap_hdf5, sleap_csv])
def test_sleap_brings_nodes_and_follows_its_tracks(tmp_path: Path, write: Callable) -> None:
    (tmp_path / "source").mkdir()
    x = walk(3, people=2)
    x[1, 3:] = np.nan
    write(tmp_path / "source" / "flies", x)
    assert recognise(tmp_path / "source") == "sleap"
    data = convert(tmp_path / "source", tmp_path / "x.h5", "auto", person="longest")
    assert data.layout.joints == ["head", "thorax", "tail"]
    np.testing.assert_allclose(data.splits["test"].clip(0), x[0], rtol=1e-6)
    assert "1 other people" in data.source


def test_a_folder_is_a_class_and_the_one_above_it_a_split(tmp_path: Path) -> None:
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
    ("file", "content", "sentence"),
    [
        ("a.skeleton", "2\n1\n72 0\n25\n1 2\n", "breaks off or is not an NTU skeleton file"),
        ("a.bvh", "HIERARCHY\nROOT\n", "breaks off or is not a BVH file"),
        ("a.csv", "scorer,a\nbodyparts,b\ncoords,x\n0,word\n", "is not a result of DeepLabCut"),
        ("a.c3d", "word", "is not a readable C3D file"),
        ("a_1.txt", "0 " + "0.5 " * 55 + "\n0 0.5\n", "line 2 is not class, box and 17 points"),
        ("a.json", '[[{"keypoints": {"x": [1], "y": [1]}}]]', "has 1 points; YOLO-pose"),
        ("a.json", '{"data": [{"skeleton": [{"pose": [1, 2]}]}]}', "lacks pose or score"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, file: str, content: str, sentence: str) -> None:
    if file.endswith(".c3d"):
        pytest.importorskip("ezc3d")
    (tmp_path / file).write_text(content)
    with pytest.raises(UserError, match=sentence) as error:
        convert(tmp_path / file, tmp_path / "x.h5", "auto")
    assert "\n" not in str(error.value)
