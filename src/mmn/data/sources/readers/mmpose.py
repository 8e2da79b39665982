"""Reader of MMPose and rtmlib results of 17, 26 or 133 points: one JSON or JSON Lines file per video or per picture.

A video's file is a list of frames, alone or under ``instance_info`` (MMPose's ``--save-predictions``); a frame is
``{"frame_id": …, "instances": [{"keypoints": [[x, y], …], "keypoint_scores": […], "track_id": …}]}``. A picture's file
is a list of such instances; a folder of these files is a clip.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.points import COCO17, HALPE26, WHOLEBODY133
from mmn.data.sources.readers.files import first_content, read_json, recordings_of_files, track_number
from mmn.data.sources.readers.frame_files import frame_files
from mmn.data.sources.recording import FrameKey, Person, Recording, frame_rate
from mmn.errors import UserError

_MODELS = {e.size: e for e in (COCO17, HALPE26, WHOLEBODY133)}


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file, or per folder with one file per picture."""
    return Parsed("MMPose JSON", _recordings(source))


def is_mmpose(content: Any) -> bool:
    """Whether the content of a JSON file is an MMPose result, of a video or a picture."""
    return (bool(content) and _video(content) is not None) or _is_picture(content)


def _recordings(source: Path) -> Iterator[Recording]:
    if source.is_dir() and _is_picture(first_content(source)):
        for name, paths in frame_files(source).items():
            yield _recording(name, [(p.stem, _instances(read_json(p), str(p))) for p in paths], paths[0].parent)
        return
    yield from recordings_of_files(source, (".json", ".jsonl"), _videos)


def _videos(name: str, path: Path) -> Iterator[Recording]:
    content = read_json(path)
    frames = _video(content)
    if frames is None:
        raise UserError(
            f"{path} is not a list of frames with instances, so it is not an MMPose video result; check --format."
        )
    people = [(frame.get("frame_id"), _instances(frame, f"{path}: frame {i}")) for i, frame in enumerate(frames)]
    recording = _recording(name, people, path)
    if isinstance(content, dict):
        recording = replace(recording, fps=frame_rate(content.get("fps")))
        if _are_others(content.get("meta_info")):
            recording = replace(recording, estimator=None, other_points=True)
    yield recording


def _recording(name: str, frames: list[tuple[FrameKey, list[Person]]], path: Path) -> Recording:
    counts = {len(person.points) for _, people in frames for person in people}
    for count in counts - set(_MODELS):
        raise UserError(
            f"{path} has people with {count} points; use an MMPose or rtmlib model of "
            f"{', '.join(str(c) for c in _MODELS)} points."
        )
    return Recording.from_frames(name, frames, _MODELS[counts.pop()] if len(counts) == 1 else None)


def _are_others(about: Any) -> bool:
    """Whether MMPose names the points and the first is not the nose, as it is in COCO and the sets that extend it."""
    names = about.get("keypoint_id2name") if isinstance(about, dict) else None
    first = names.get("0") if isinstance(names, dict) else None
    return first is not None and str(first).lower() != "nose"


def _video(content: Any) -> list[dict[str, Any]] | None:
    frames = content.get("instance_info") if isinstance(content, dict) else content
    if isinstance(content, dict) and "instances" in content:
        frames = [content]
    fits = isinstance(frames, list) and all(isinstance(f, dict) and "instances" in f for f in frames)
    return frames if fits else None


def _is_picture(content: Any) -> bool:
    people = content if isinstance(content, list) else []
    return bool(people) and all(isinstance(person, dict) and "keypoint_scores" in person for person in people)


def _instances(frame: Any, where: str) -> list[Person]:
    """The people in a frame, whose ``instances`` may be null."""
    people = frame.get("instances") if isinstance(frame, dict) else frame
    return [_person(person, f"{where}, person {i}") for i, person in enumerate(people or [])]


def _person(person: Any, where: str) -> Person:
    try:
        points = np.asarray(person["keypoints"], np.float32)
        scores = np.asarray(person["keypoint_scores"], np.float32)
    except (TypeError, KeyError, ValueError):
        raise UserError(
            f"{where} lacks keypoints or keypoint_scores, or they are not numbers; write the file again."
        ) from None
    if points.ndim != 2 or points.shape[1] not in (2, 3) or scores.shape != points.shape[:1]:
        raise UserError(
            f"{where} has keypoints {points.shape} and scores {scores.shape}, which do not match; write the file again."
        )
    return Person(points, scores, track_number(person.get("track_id")))
