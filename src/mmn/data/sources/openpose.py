"""Reader of OpenPose results (BODY_25, with ``--hand`` and, if any, ``--face``): a folder of JSON files a clip.

Each file is a frame, ``{"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, score, …],
"face_keypoints_2d": …, "hand_left_keypoints_2d": …, "hand_right_keypoints_2d": …}]}``; files are in the order of
their names, as ``CLIP_000000000012_keypoints.json``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.people import Person
from mmn.data.sources.points import BODY_25
from mmn.data.sources.pose_files import Recording, read_json, read_recordings, triples
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError

_PARTS = (
    ("pose_keypoints_2d", 25),
    ("face_keypoints_2d", 70),
    ("hand_left_keypoints_2d", 21),
    ("hand_right_keypoints_2d", 21),
)


def read(source: Path, request: Request) -> Source:
    """A folder of folders, a clip each."""
    return read_recordings("OpenPose JSON", _recordings(source), BODY_25, request)


def _recordings(source: Path) -> Iterator[Recording]:
    for folder in sorted({path.parent for path in source.glob("*/*.json")}):
        yield Recording(folder.name, [_people(path) for path in sorted(folder.glob("*.json"))])


def _people(path: Path) -> list[Person]:
    content = read_json(path)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise UserError(f"{path} has no list of people; it is not an OpenPose file.")
    return [_person(person, f"{path}: person {number}") for number, person in enumerate(people)]


def _person(person: dict[str, Any], where: str) -> Person:
    parts = [
        triples(person[key], count, f"{where}, {key}") if person.get(key) else np.zeros((count, 3), np.float32)
        for key, count in _PARTS
    ]
    number = person.get("person_id", -1)
    number = number[0] if isinstance(number, list) and number else number
    followed = isinstance(number, int) and number >= 0
    return Person(np.concatenate(parts), number if followed else None)
