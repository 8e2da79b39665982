"""Reader of OpenPose results (18 or 25 body points, optionally ``--hand`` and ``--face``): one JSON file per frame.

A file is ``{"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, score, …], "face_keypoints_2d": …,
"hand_left_keypoints_2d": …, "hand_right_keypoints_2d": …}]}``, without ``_2d`` in OpenPose 1.0. A clip is a folder of
files, or the files of one folder whose names differ only in the frame number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.points import OPENPOSE18, OPENPOSE25, Estimator
from mmn.data.sources.readers.files import read_json, track_number, triples
from mmn.data.sources.readers.frame_files import ENDING, frame_files
from mmn.data.sources.recording import Person, Recording
from mmn.errors import UserError

_BODIES: dict[int, Estimator] = {18: OPENPOSE18, 25: OPENPOSE25}
_MORE = (("face_keypoints", 70), ("hand_left_keypoints", 21), ("hand_right_keypoints", 21))


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per folder, or per common name in one folder."""
    return Parsed("OpenPose JSON", _recordings(source))


def is_openpose(content: Any) -> bool:
    """Whether the content of a JSON file is OpenPose's."""
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def _recordings(source: Path) -> Iterator[Recording]:
    for name, paths in frame_files(source).items():
        estimator = OPENPOSE25
        frames = []
        for path in paths:
            people = [_person(person, f"{path}: person {i}") for i, person in enumerate(_people(path))]
            estimator = next((e for e, _ in people), estimator)
            frames.append((path.stem.removesuffix(ENDING), [person for _, person in people]))
        yield Recording.from_frames(name, frames, estimator)


def _people(path: Path) -> list[dict[str, Any]]:
    content = read_json(path)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise UserError(f"{path} has no list of people, so it is not an OpenPose file; check --format.")
    return people


def _person(person: dict[str, Any], where: str) -> tuple[Estimator, Person]:
    def part(key: str) -> np.ndarray:
        key = f"{key}_2d" if f"{key}_2d" in person else key
        return triples(person.get(key) or [], f"{where}, {key}")

    body = part("pose_keypoints")
    if len(body) not in _BODIES:
        found = f"{3 * len(body)} numbers" if len(body) else "nothing"
        raise UserError(
            f"{where} has {found} in pose_keypoints_2d (keys: {', '.join(person)}); expected 18 or 25 points of x, y, "
            "score."
        )
    parts = [body]
    for key, count in _MORE:
        points = part(key)
        if len(points) not in (0, count):
            raise UserError(f"{where}, {key} has {3 * len(points)} numbers; expected {count} points of x, y, score.")
        parts.append(points if len(points) else np.zeros((count, 3), np.float32))
    points = np.concatenate(parts)
    return _BODIES[len(body)], Person(points[:, :2], points[:, 2], track_number(person.get("person_id")))
