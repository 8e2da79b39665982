"""Reader of COCO-WholeBody-133 results, as MMPose and rtmlib users save them: one JSON file a clip.

A file is a list of frames, alone or under ``instance_info`` (MMPose's ``--save-predictions``); a frame is
``{"frame_id": …, "instances": [{"keypoints": [[x, y], …], "keypoint_scores": […], "track_id": …}]}``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.sources.people import Person
from mmn.data.sources.points import WHOLEBODY_133
from mmn.data.sources.pose_files import Recording, json_files, read_json, read_recordings
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError


def read(source: Path, request: Request) -> Source:
    """A folder of JSON files, a clip each."""
    return read_recordings("COCO-WholeBody JSON", _recordings(source), WHOLEBODY_133, request)


def _recordings(source: Path) -> Iterator[Recording]:
    for path in json_files(source):
        content = read_json(path)
        frames = content.get("instance_info") if isinstance(content, dict) else content
        if not isinstance(frames, list) or not all(isinstance(f, dict) and "instances" in f for f in frames):
            raise UserError(f"{path} is not a list of frames with instances; it is not an MMPose video result.")
        frames = sorted(frames, key=lambda frame: int(frame.get("frame_id", 0)))
        yield Recording(
            path.stem,
            [
                [_person(person, f"{path}: frame {number}, person {i}") for i, person in enumerate(frame["instances"])]
                for number, frame in enumerate(frames)
            ],
        )


def _person(person: Any, where: str) -> Person:
    try:
        points = np.asarray(person["keypoints"], np.float32)
        scores = np.asarray(person["keypoint_scores"], np.float32)
    except (TypeError, KeyError, ValueError):
        raise UserError(f"{where} lacks keypoints or keypoint_scores, or they are no numbers.") from None
    if points.shape != (133, 2) or scores.shape != (133,):
        raise UserError(
            f"{where} has keypoints {points.shape} and scores {scores.shape} where (133, 2) and (133,) belong."
        )
    track = person.get("track_id")
    return Person(np.column_stack([points, scores]), int(track) if isinstance(track, int | float) else None)
