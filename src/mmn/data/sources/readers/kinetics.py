"""Reader of Kinetics-skeleton: one JSON file per clip, ``{"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, …],
"score": […]}]}], "label": …, "label_index": …}``, with OpenPose's 18 points normalised by the picture size.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.picture import are_normalised
from mmn.data.sources.points import OPENPOSE18_BODY
from mmn.data.sources.readers.files import read_json, recordings_of_files
from mmn.data.sources.recording import FrameKey, Person, Recording
from mmn.errors import UserError


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file; its split is the one its folder's name ends in."""
    return Parsed("Kinetics-skeleton JSON", recordings_of_files(source, (".json",), _recordings))


def is_kinetics(content: Any) -> bool:
    """Whether the content of a JSON file is in this format."""
    frames = content.get("data") if isinstance(content, dict) else None
    return isinstance(frames, list) and (not frames or (isinstance(frames[0], dict) and "skeleton" in frames[0]))


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    content = read_json(path)
    if not is_kinetics(content):
        raise UserError(
            f"{path} has no data with a skeleton per frame, so it is not a Kinetics-skeleton file; check --format."
        )
    frames: list[tuple[FrameKey, list[Person]]] = [
        (frame.get("frame_index"), [_person(p, f"{path}: frame {i}") for p in frame.get("skeleton") or []])
        for i, frame in enumerate(content["data"])
    ]
    label = content.get("label_index", content.get("label"))
    recording = Recording.from_frames(name, frames, OPENPOSE18_BODY, label=label)
    yield recording.as_normalised() if are_normalised(recording.points) else recording


def _person(person: Any, where: str) -> Person:
    try:
        points = np.asarray(person["pose"], np.float32).reshape(-1, 2)
        scores = np.asarray(person["score"], np.float32)
    except (TypeError, KeyError, ValueError):
        raise UserError(f"{where} lacks pose or score, or they are not numbers; write the file again.") from None
    if len(points) != OPENPOSE18_BODY.size or scores.shape != (len(points),):
        raise UserError(f"{where} has {len(points)} points and {scores.size} scores; expected 18 of each.")
    return Person(points, scores)
