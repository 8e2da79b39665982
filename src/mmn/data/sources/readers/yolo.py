"""Reader of Ultralytics YOLO-pose results: one JSON file per video, or one ``.txt`` file per frame (``save_txt=True``).

A video's file is a list or a table of frames, each as returned by ``result.to_json()``: a list of people,
``{"confidence": …, "track_id": …, "keypoints": {"x": […], "y": […], "visible": […]}}``. A line of ``VIDEO_12.txt`` is
a person: class, box (4), then x, y and optionally visibility of each point, normalised by the picture size, and
optionally the confidence and the track number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.picture import are_normalised
from mmn.data.sources.points import COCO17
from mmn.data.sources.readers.files import first_content, read_json, recordings_of_files, track_number
from mmn.data.sources.readers.frame_files import frame_files
from mmn.data.sources.recording import FrameKey, Person, Recording
from mmn.errors import UserError

_BEFORE = 5  # class and box
_POINTS = COCO17.size


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per JSON file of a video; files of single frames are grouped by folder or name."""
    if source.suffix == ".txt" or (source.is_dir() and not _has_json(source)):
        return Parsed("YOLO text", _from_text(source))
    return Parsed("YOLO JSON", _from_json(source))


def is_yolo(content: Any) -> bool:
    """Whether the content of a JSON file is a YOLO result."""
    return _is_person(_first_person(content))


def is_yolo_text(path: Path) -> bool:
    """Whether the first line of a text file has as many numbers as a person with 17 points."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        return len(_numbers(next(line for line in lines if line.strip()))) - _BEFORE in _lengths()
    except (OSError, ValueError, StopIteration):
        return False


def _has_json(source: Path) -> bool:
    return first_content(source) is not None


def _from_json(source: Path) -> Iterator[Recording]:
    if source.is_dir() and isinstance(first := first_content(source), list) and _is_person(first[0]):
        for name, paths in frame_files(source).items():
            yield _recording(name, [(p.stem, _people(read_json(p), str(p))) for p in paths])
        return
    yield from recordings_of_files(source, (".json", ".jsonl"), _video)


def _video(name: str, path: Path) -> Iterator[Recording]:
    content = read_json(path)
    frames: list[tuple[FrameKey, Any]]
    if isinstance(content, dict):
        frames = list(content.items())
    elif isinstance(content, list):
        frames = list(enumerate(content))
    else:
        raise UserError(
            f"{path} is neither a list nor a table of frames, so it is not a YOLO-pose result; check --format."
        )
    yield _recording(name, [(key, _people(people, f"{path}: frame {key}")) for key, people in frames])


def _from_text(source: Path) -> Iterator[Recording]:
    for name, paths in frame_files(source, ".txt").items():
        yield _recording(name, [(path.stem, _lines(path)) for path in paths])


def _recording(name: str, frames: list[tuple[FrameKey, list[Person]]]) -> Recording:
    recording = Recording.from_frames(name, frames, COCO17)
    return recording.as_normalised() if are_normalised(recording.points) else recording


def _people(content: Any, where: str) -> list[Person]:
    people = content if isinstance(content, list) else []
    return [_person(person, f"{where}, person {i}") for i, person in enumerate(people) if "keypoints" in person]


def _person(person: Any, where: str) -> Person:
    try:
        given = person["keypoints"]
        x, y = np.asarray(given["x"], np.float32), np.asarray(given["y"], np.float32)
        scores = np.asarray(given.get("visible", np.ones(len(x))), np.float32)
        points = np.stack([x, y], axis=1)
    except (TypeError, KeyError, ValueError):
        raise UserError(
            f"{where} lacks x or y of its keypoints, or they are not numbers; write the file again."
        ) from None
    if len(points) != _POINTS or scores.shape != x.shape:
        raise UserError(f"{where} has {len(points)} points; use a YOLO-pose model with COCO's {_POINTS} points.")
    return Person(points, _zeros_unseen(points, scores), track_number(person.get("track_id")))


def _lines(path: Path) -> list[Person]:
    people = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = _numbers(line)[_BEFORE:]
            count = _lengths()[len(values)]
        except (ValueError, KeyError):
            raise UserError(f"{path}, line {number} is not class, box and {_POINTS} points of a person.") from None
        points = np.array(values[: count * _POINTS], np.float32).reshape(_POINTS, count)
        scores = points[:, 2] if count == 3 else np.ones(_POINTS, np.float32)
        rest = values[count * _POINTS :]
        last = rest[-1] if rest and (len(rest) == 2 or rest[-1] >= 1) else np.nan  # else it is the confidence
        people.append(Person(points[:, :2], _zeros_unseen(points[:, :2], scores), last))
    return people


def _lengths() -> dict[int, int]:
    """Numbers after the box → numbers per point; the confidence and the track number may follow."""
    return {count * _POINTS + more: count for count in (2, 3) for more in (0, 1, 2)}


def _numbers(line: str) -> list[float]:
    return [float(value) for value in line.split()]


def _zeros_unseen(points: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores with 0 for points at 0, 0, which YOLO writes for points it is unsure of."""
    return np.where((points == 0).all(axis=1), 0, scores)


def _first_person(content: Any) -> Any:
    frames = list(content.values()) if isinstance(content, dict) else content
    for frame in frames if isinstance(frames, list) else []:
        if isinstance(frame, list) and frame:
            return frame[0]
        if isinstance(frame, dict):
            return frame
    return None


def _is_person(person: Any) -> bool:
    keypoints = person.get("keypoints") if isinstance(person, dict) else None
    return isinstance(keypoints, dict) and {"x", "y"} <= set(keypoints)
