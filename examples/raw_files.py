"""Writes the clips of an HDF5 file as pose estimators and motion capture do, as input for the example pipelines.

python examples/raw_files.py mediapipe|yolo FILE.h5 FOLDER
python examples/raw_files.py arrays FILE.h5 FOLDER --part 1/5 --split test      # a fifth of each class, by four people
python examples/raw_files.py bvh FILE.h5 FOLDER --classes NAME… --clips 12      # one long recording
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData

PICTURE = np.array([1920, 1080])
FPS = 30
SUIT = {  # joint of a motion-capture suit: its parent, and our joints whose mean it is
    "Hips": ("", "left_hip right_hip"),
    "Neck": ("Hips", "left_shoulder right_shoulder"),
    "Head": ("Neck", "nose"),
    "LeftArm": ("Neck", "left_shoulder"),
    "LeftForeArm": ("LeftArm", "left_elbow"),
    "LeftHand": ("LeftForeArm", "left_wrist"),
    "RightArm": ("Neck", "right_shoulder"),
    "RightForeArm": ("RightArm", "right_elbow"),
    "RightHand": ("RightForeArm", "right_wrist"),
    "LeftUpLeg": ("Hips", "left_hip"),
    "RightUpLeg": ("Hips", "right_hip"),
}


def clips_of(data: SkeletonData) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Name, class, split and pixels ``(T, V, 2)`` of every clip; the person is half as high as the picture."""
    for split, clips in data.splits.items():
        for index, name in enumerate(clips.names):
            points = np.asarray(clips.clip(index), np.float64)
            centred = (points - points.mean(axis=(0, 1))) / np.ptp(points[..., 1])
            yield name, data.classes.names[clips.labels[index]], split, PICTURE / 2 + centred * PICTURE[1] / 2


def mediapipe(points: np.ndarray) -> object:
    """A list of frames of landmarks, normalised by the picture size."""
    frames = (points / PICTURE).round(5).tolist()
    return [{"pose_landmarks": [{"x": x, "y": y, "z": 0.0, "visibility": 0.99} for x, y in frame]} for frame in frames]


def yolo(points: np.ndarray) -> object:
    """A list of frames, each a list of people with keypoints in pixels."""
    frames = points.round(2).transpose(0, 2, 1).tolist()
    visible = [0.9] * points.shape[1]
    return [[{"confidence": 0.9, "keypoints": {"x": x, "y": y, "visible": visible}}] for x, y in frames]


def write_json(kind: str, data: SkeletonData, folder: Path) -> None:
    """Write one file per clip, and ``labels.csv``."""
    rows = [["name", "label", "split"]]
    for name, label, split, points in clips_of(data):
        content = mediapipe(points) if kind == "mediapipe" else yolo(points)
        (folder / f"{name}.json").write_text(json.dumps(content))
        rows.append([name, label, split])
    write_table(folder / "labels.csv", rows)


def write_arrays(data: SkeletonData, folder: Path, part: str, subjects: int, split: str) -> None:
    """Write one array per clip for a part of each class, and ``labels.csv``; subjects alternate."""
    number, parts = map(int, part.split("/"))
    rows, seen = [["name", "label", "split", "group"]], dict.fromkeys(data.classes.names, 0)
    for name, label, _, points in clips_of(data):
        turn, of = divmod(seen[label], parts)
        seen[label] += 1
        if of == number - 1:
            np.save(folder / f"{name}.npy", points.astype(np.float32))
            rows.append([name, label, split, f"person{turn % subjects + 1}"])
    write_table(folder / "labels.csv", rows)


def write_table(path: Path, rows: list[list[str]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_bvh(data: SkeletonData, folder: Path, classes: list[str], count: int) -> None:
    """Write ``take.bvh``, a recording of test clips one second apart, and their segments as ``truth.csv``."""
    groups = [data.classes.group_names[group] for group in data.classes.group_of_class]
    wanted = {name for name, group in zip(data.classes.names, groups, strict=True) if {name, group} & set(classes)}
    known = [(label, suit(points, data)) for _, label, split, points in clips_of(data) if split == "test"]
    known = [(label, points) for label, points in known if label in wanted]
    chosen = [known[index] for index in np.random.default_rng(1).permutation(len(known))[:count]]
    parts, rows, frame = [], [["name", "start", "end", "label"]], 0
    for label, points in chosen:
        rows.append(["take", f"{frame / FPS:.3f}", f"{(frame + len(points)) / FPS:.3f}", label])
        parts += [points, np.repeat(points[-1:], FPS, axis=0)]
        frame += len(points) + FPS
    (folder / "take.bvh").write_text(bvh(np.concatenate(parts)))
    write_table(folder / "truth.csv", rows)


def suit(points: np.ndarray, data: SkeletonData) -> np.ndarray:
    """Pixels → suit joints ``(T, J, 3)`` in centimetres, y up, starting with the hips at (0, 95, 0)."""
    index = {name: number for number, name in enumerate(data.layout.joints)}
    joints = np.stack([points[:, [index[n] for n in names.split()]].mean(axis=1) for _, names in SUIT.values()], axis=1)
    places = np.concatenate([joints, np.zeros_like(joints[..., :1])], axis=2) * (0.33, -0.33, 1.0)
    return places - places[0, 0] + (0, 95, 0)


def bvh(places: np.ndarray) -> str:
    """A BVH file in which every joint has a position relative to its parent."""
    names, lines = list(SUIT), ["HIERARCHY"]

    def joint(name: str, depth: int) -> None:
        pad = "  " * depth
        lines.extend([f"{pad}{'JOINT' if depth else 'ROOT'} {name}", f"{pad}{{", f"{pad}  OFFSET 0 0 0"])
        lines.append(f"{pad}  CHANNELS 3 Xposition Yposition Zposition")
        order.append(names.index(name))
        for child, (parent, _) in SUIT.items():
            if parent == name:
                joint(child, depth + 1)
        lines.append(f"{pad}}}")

    order: list[int] = []
    joint(names[0], 0)
    parents = [names.index(SUIT[name][0]) if SUIT[name][0] else -1 for name in names]
    shifts = np.stack([places[:, j] - (places[:, p] if p >= 0 else 0) for j, p in enumerate(parents)], axis=1)[:, order]
    rows = [" ".join(f"{value:.3f}" for value in row) for row in shifts.reshape(len(shifts), -1)]
    return "\n".join([*lines, "MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / FPS:.6f}", *rows]) + "\n"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("mediapipe", "yolo", "arrays", "bvh"))
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", default="1/1", help="arrays: part of each class to write (default: 1/1)")
    parser.add_argument("--subjects", type=int, default=4, help="arrays: number of subjects (default: 4)")
    parser.add_argument("--split", default="train", help="arrays: split of all clips (default: train)")
    parser.add_argument("--classes", nargs="+", default=[], help="bvh: classes or groups of the clips")
    parser.add_argument("--clips", type=int, default=12, help="bvh: number of clips (default: 12)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    data = read_data(options.file)
    if options.kind == "bvh":
        write_bvh(data, options.folder, options.classes, options.clips)
    elif options.kind == "arrays":
        write_arrays(data, options.folder, options.part, options.subjects, options.split)
    else:
        write_json(options.kind, data, options.folder)


if __name__ == "__main__":
    main()
