"""Reader of saved MediaPipe landmarks: one JSON or CSV file per clip. Arrays are read by ``arrays.py``.

JSON is a list of frames, each a list of 33 landmarks, or a table of ``pose_landmarks`` and optionally
``face_landmarks``, ``left_hand_landmarks`` and ``right_hand_landmarks``. A landmark is ``{"x": …, "y": …, "z": …,
"visibility": …}`` or a list of those numbers; frames with nobody in them are empty. CSV has one row per frame with the
columns ``x0,y0,z0,v0,x1,…`` or ``nose_x,nose_y,…``, or one row per landmark with ``frame,landmark,x,y,z,visibility``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.labels.table import read_table
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.picture import are_normalised
from mmn.data.sources.points import BLAZEPOSE33, BLAZEPOSE_33, HOLISTIC
from mmn.data.sources.readers.files import read_json, recordings_of_files
from mmn.data.sources.recording import FrameKey, Person, Recording
from mmn.errors import UserError

_ESTIMATORS = {BLAZEPOSE33.size: BLAZEPOSE33, **HOLISTIC}
_BODY, _HAND = BLAZEPOSE33.size, 21
_POSE_KEYS = ("pose_landmarks", "pose", "landmarks", "keypoints")
_AXES = {"x": 0, "y": 1, "z": 2, "v": 3, "visibility": 3, "vis": 3, "score": 3}
_WIDE = re.compile(
    r"(?:(?P<axis>x|y|z|v|vis|visibility)_?(?P<number>\d+)|(?P<name>\w+?)_(?P<end>x|y|z|v|vis|visibility))"
)


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""

    def read_file(name: str, path: Path) -> Iterator[Recording]:
        return _recordings(name, path, options.channels)

    suffixes = (".json", ".jsonl", ".csv")
    return Parsed("MediaPipe landmarks", recordings_of_files(source, suffixes, read_file, options.labels))


def is_mediapipe(content: Any) -> bool:
    """Whether the content of a JSON file is a list of frames of landmarks."""
    frames = content.get("frames") if isinstance(content, dict) else content
    first = next((f for f in frames if f), None) if isinstance(frames, list) else None
    if isinstance(first, dict):
        return any(key in first for key in _POSE_KEYS[:3])
    return isinstance(first, list) and len(first) == _BODY


def is_mediapipe_table(columns: list[str]) -> bool:
    """Whether a CSV file has the columns of landmarks."""
    wide = [found for column in columns if (found := _WIDE.fullmatch(column))]
    return len(wide) >= 3 * _BODY or ({"frame", "x", "y"} <= set(columns) and bool({"landmark", "id"} & set(columns)))


def _recordings(name: str, path: Path, channels: str | None) -> Iterator[Recording]:
    frames = _table(path) if path.suffix == ".csv" else _json(path)
    count = next((len(person.points) for _, people in frames for person in people), _BODY)
    if count not in _ESTIMATORS:
        raise UserError(f"{path} has {count} landmarks; expected {', '.join(map(str, _ESTIMATORS))}.")
    wanted = [(key, [_cut(person, channels) for person in people]) for key, people in frames]
    recording = Recording.from_frames(name, wanted, _ESTIMATORS[count])
    yield recording.as_normalised() if are_normalised(recording.points) else recording


def _cut(person: Person, channels: str | None) -> Person:
    """Drop z if requested."""
    return person._replace(points=person.points[:, :2]) if channels in ("xy", "xys") else person


def _json(path: Path) -> list[tuple[FrameKey, list[Person]]]:
    content = read_json(path)
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list):
        raise UserError(f"{path} is not a list of frames of landmarks, so it is not a MediaPipe file; check --format.")
    return [(_key(frame, i), _people(frame, f"{path}: frame {i}")) for i, frame in enumerate(frames)]


def _key(frame: Any, number: int) -> FrameKey:
    keys = ("frame", "frame_id", "frame_index", "frame_number")
    return next((frame[key] for key in keys if key in frame), number) if isinstance(frame, dict) else number


def _people(frame: Any, where: str) -> list[Person]:
    table = frame if isinstance(frame, dict) else {"pose_landmarks": frame}
    body = next((table[key] for key in _POSE_KEYS if table.get(key)), None)
    if not body:
        return []
    several = isinstance(body[0], list) and isinstance(body[0][0], dict | list)
    if several and len(body) != _BODY:  # the Tasks API's list of people
        return [_person(_landmarks(person, len(person), where)) for person in body]
    parts = [_landmarks(body, _BODY, where)]
    if any(key.endswith(("face_landmarks", "hand_landmarks")) for key in table):
        face = table.get("face_landmarks") or []
        parts.append(_landmarks(face, len(face) or 468, where))
        parts += [_landmarks(table.get(f"{side}_hand_landmarks"), _HAND, where) for side in ("left", "right")]
    return [_person(np.concatenate(parts))]


def _landmarks(landmarks: Any, count: int, where: str) -> NDArray[np.float32]:
    """x, y, z and visibility (default: 1) as ``(count, 4)``; NaN if there are no landmarks."""
    if not landmarks:
        return np.full((count, 4), np.nan, np.float32)
    try:
        rows = [
            [m["x"], m["y"], m.get("z", 0.0), m.get("visibility", 1.0)] if isinstance(m, dict) else [*m, 0.0, 1.0][:4]
            if len(m) == 2 else [*m, 1.0][:4]
            for m in landmarks
        ]  # fmt: skip
        found = np.array(rows, np.float32)
    except (TypeError, KeyError, ValueError):
        raise UserError(f"{where} has landmarks that are not x, y, z and visibility; write the file again.") from None
    if len(found) != count:
        raise UserError(f"{where} has {len(found)} landmarks; expected {count}.")
    return found


def _person(landmarks: NDArray[np.float32]) -> Person:
    return Person(landmarks[:, :3], landmarks[:, 3])


def _table(path: Path) -> list[tuple[FrameKey, list[Person]]]:
    rows = [cells for _, cells in read_table(path, ())]
    if not rows:
        return []
    columns = list(rows[0])
    try:
        return _long(rows, columns) if {"frame", "x", "y"} <= set(columns) else _wide(rows, columns)
    except (ValueError, KeyError):
        raise UserError(
            f"{path} has cells or columns that are not landmarks; it needs x0,y0,z0,v0,… or frame,landmark,x,y."
        ) from None


def _wide(rows: list[dict[str, str]], columns: list[str]) -> list[tuple[FrameKey, list[Person]]]:
    places: list[tuple[str, int, int]] = []  # column, landmark, axis
    for column in columns:
        if found := _WIDE.fullmatch(column):
            number = int(found["number"]) if found["number"] else BLAZEPOSE_33.get(found["name"], -1)
            places.append((column, number, _AXES[found["axis"] or found["end"]]))
    base = min(number for _, number, _ in places)  # columns may count from 1
    if base not in (0, 1):
        raise ValueError("unknown landmark in the columns")
    count = max(number for _, number, _ in places) + 1 - base
    frame = next((column for column in ("frame", "frame_id", "frame_number") if column in columns), None)
    frames: list[tuple[FrameKey, list[Person]]] = []
    for index, cells in enumerate(rows):
        landmarks = np.tile(np.array([np.nan, np.nan, 0, 1], np.float32), (count, 1))
        for column, number, axis in places:
            landmarks[number - base, axis] = float(cells.get(column) or "nan")
        there = bool(np.isfinite(landmarks[:, :2]).any())
        frames.append((int(float(cells[frame])) if frame else index, [_person(landmarks)] if there else []))
    return frames


def _long(rows: list[dict[str, str]], columns: list[str]) -> list[tuple[FrameKey, list[Person]]]:
    which = next(column for column in ("landmark", "id", "landmark_id") if column in columns)
    frames: dict[int, NDArray[np.float32]] = {}
    for cells in rows:
        landmarks = frames.setdefault(int(float(cells["frame"])), np.full((_BODY, 4), np.nan, np.float32))
        number = (
            BLAZEPOSE_33[cells[which].lower()] if cells[which].lower() in BLAZEPOSE_33 else int(float(cells[which]))
        )
        score = next((cells[key] for key in ("visibility", "score", "v") if cells.get(key)), "1")
        landmarks[number] = [float(cells.get(axis) or "nan") for axis in "xy"] + [
            float(cells.get("z") or 0),
            float(score),
        ]
    return [(frame, [_person(landmarks)]) for frame, landmarks in frames.items()]
