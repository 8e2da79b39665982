"""Reader of AlphaPose results (Halpe-136): one ``alphapose-results.json``-like file a clip.

Each is a list of detections, ``{"image_id": "12.jpg", "keypoints": [x, y, score, …], "score": …, "idx": track}``;
``idx`` is there where AlphaPose followed people.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.people import Person
from mmn.data.sources.points import HALPE_136
from mmn.data.sources.pose_files import Recording, json_files, read_json, read_recordings, triples
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError


def read(source: Path, request: Request) -> Source:
    """A folder of JSON files, a clip each."""
    return read_recordings("AlphaPose JSON", _recordings(source), HALPE_136, request)


def _recordings(source: Path) -> Iterator[Recording]:
    for path in json_files(source):
        detections = read_json(path)
        if not isinstance(detections, list):
            raise UserError(f"{path} is not a list of detections; it is not an AlphaPose file.")
        yield Recording(path.stem, _frames(detections, path))


def _frames(detections: list[Any], path: Path) -> list[list[Person]]:
    """People by frame, from the first to the last frame anybody is in; the others between are empty."""
    people: dict[int, list[Person]] = {}
    for number, detection in enumerate(detections):
        where = f"{path}: detection {number}"
        if not isinstance(detection, dict) or not {"image_id", "keypoints"} <= set(detection):
            raise UserError(f"{where} lacks image_id or keypoints; it is not an AlphaPose file.")
        digits = re.findall(r"\d+", Path(str(detection["image_id"])).stem)
        if not digits:
            raise UserError(f"{where} has image_id {detection['image_id']!r}, which names no frame number.")
        points = triples(detection["keypoints"], 136, where)
        people.setdefault(int(digits[-1]), []).append(Person(points, _track(detection.get("idx"), where)))
    if not people:
        return []
    found = sorted(people)
    step = int(np.gcd.reduce(np.diff(found))) if len(found) > 1 else 1  # every 5th frame may have been looked at
    return [people.get(frame, []) for frame in range(found[0], found[-1] + 1, step)]


def _track(value: Any, where: str) -> int | None:
    while isinstance(value, list):
        value = value[0] if value else None
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        raise UserError(f"{where} has idx {value!r}, which is no number of a person.") from None
