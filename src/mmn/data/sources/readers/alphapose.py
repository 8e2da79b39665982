"""Reader of AlphaPose results of 17, 26 or 136 points: one JSON file per clip, or one folder per clip that contains it.

A file is a list of detections, ``{"image_id": "12.jpg", "keypoints": [x, y, score, …], "score": …, "idx": track}``;
``idx`` is present if AlphaPose tracked people. With ``--format cmu`` or ``open`` it is a table of pictures,
``{"12.jpg": {"bodies": [{"joints": […]}]}}`` or ``{"12.jpg": {"people": [{"pose_keypoints_2d": […]}]}}``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.points import COCO17, HALPE26, HALPE136, OPENPOSE18_BODY, Estimator
from mmn.data.sources.readers.files import read_json, recordings_of_files, track_number, triples
from mmn.data.sources.recording import Person, Recording
from mmn.errors import UserError

_MODELS = {e.size: e for e in (COCO17, HALPE26, HALPE136)}
_TABLES = {"bodies": "joints", "people": "pose_keypoints_2d"}  # --format cmu, open


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""
    return Parsed("AlphaPose JSON", recordings_of_files(source, (".json",), _recordings))


def is_alphapose(content: Any) -> bool:
    """Whether the content of a JSON file is AlphaPose's."""
    if isinstance(content, list):
        return bool(content) and isinstance(content[0], dict) and {"image_id", "keypoints"} <= set(content[0])
    return _table_key(content) is not None


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    content = read_json(path)
    frames = list(_detections(content, path) if isinstance(content, list) else _pictures(content, path))
    counts = {len(person.points) for _, people in frames for person in people}
    estimator: Estimator | None = None
    for count in counts:
        estimator = OPENPOSE18_BODY if isinstance(content, dict) and count == 18 else _MODELS.get(count)
        if estimator is None:
            raise UserError(
                f"{path} has detections with {count} points of x, y, score ({3 * count} values); use a model "
                f"of {', '.join(str(c) for c in _MODELS)} points."
            )
    yield Recording.from_frames(name, frames, estimator)


def _detections(content: list[Any], path: Path) -> Iterator[tuple[str, list[Person]]]:
    people: dict[str, list[Person]] = {}
    for number, detection in enumerate(content):
        where = f"{path}: detection {number}"
        if not isinstance(detection, dict) or not {"image_id", "keypoints"} <= set(detection):
            raise UserError(f"{where} lacks image_id or keypoints, so it is not an AlphaPose file; check --format.")
        person = _person(detection["keypoints"], track_number(detection.get("idx")), where)
        people.setdefault(str(detection["image_id"]), []).append(person)
    yield from people.items()


def _pictures(content: Any, path: Path) -> Iterator[tuple[str, list[Person]]]:
    key = _table_key(content)
    if key is None:
        raise UserError(
            f"{path} is neither a list of detections nor a table of pictures, so it is not an AlphaPose file; check "
            "--format."
        )
    for picture, value in content.items():
        where = f"{path}: {picture}"
        yield picture, [_person(body.get(_TABLES[key]), track_number(body.get("idx")), where) for body in value[key]]


def _table_key(content: Any) -> str | None:
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    return next((key for key in _TABLES if isinstance(first, dict) and isinstance(first.get(key), list)), None)


def _person(values: Any, number: float, where: str) -> Person:
    points = triples(values, where)
    return Person(points[:, :2], points[:, 2], number)
