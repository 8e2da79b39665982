"""Pose files in the documented formats of estimators and data sets."""

import json
import pickle
from pathlib import Path

import numpy as np

FRAMES = 6


def walk(points: int, coordinates: int = 2, people: int = 1, seed: int = 0) -> np.ndarray:
    """``(M, T, P, C)``: the first point's x is 300 (500 for the second person, …) plus the frame number."""
    rng = np.random.default_rng(seed)
    pose = rng.uniform(100, 300, (people, 1, points, coordinates)) + np.zeros((1, FRAMES, 1, 1))
    pose[:, :, :, 0] += np.arange(FRAMES)[None, :, None]
    pose[:, :, 0, 0] = 300 + 200 * np.arange(people)[:, None] + np.arange(FRAMES)
    return pose.astype(np.float32)


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


def people(count: int, frames: int, points: int, seed: int = 0) -> np.ndarray:
    """``(people, T, P, 3)``: people are 500 pixels apart, with increasing scores."""
    rng = np.random.default_rng(seed)
    x = np.empty((count, frames, points, 3))
    x[..., :2] = rng.uniform(0, 200, (count, 1, points, 2)) + rng.normal(0, 2, (count, frames, points, 2))
    x[..., 0] += 500 * np.arange(count)[:, None, None]
    x[..., 2] = 0.5 + 0.1 * np.arange(count)[:, None, None]
    return x.astype(np.float32)
