"""What the readers of pose estimators share: recordings of people → labelled clips of one person each."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmn.data.sources.labels import split_clips
from mmn.data.sources.people import Person, best_person, left_out
from mmn.data.sources.points import Points, derived, select
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError


class Recording(NamedTuple):
    """One clip as an estimator saw it: its name and the people of each frame."""

    name: str
    frames: list[list[Person]]


def read_recordings(kind: str, recordings: Iterable[Recording], points: Points, request: Request) -> Source:
    """One clip a recording, of the person with the best mean score; the scores themselves are not kept.

    Raises:
        UserError: a recording nobody is in, a joint the estimator does not give, or labels that do not fit.
    """
    notes = derived(request.layout.joints, points)
    arrays, others = {}, 0
    for name, frames in recordings:
        clip, more = best_person(frames, request.min_score)
        if clip.shape[1] == 0:
            raise UserError(f"clip {name} has nobody in any of its {len(frames)} frames; leave it out.")
        arrays[name] = select(clip, request.layout.joints, points)
        others += more
    return Source(kind, split_clips(arrays, request.labels, request.classes), [*notes, *left_out(others)])


def json_files(source: Path) -> list[Path]:
    """The JSON files of a folder, a clip each, or the one file.

    Raises:
        UserError: none there.
    """
    files = [source] if source.is_file() else sorted(source.glob("*.json"))
    if not files:
        raise UserError(f"{source} holds no JSON files; a clip is one there, named after it.")
    return files


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: a file that is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable JSON file ({error}); write it again.") from None


def triples(values: Any, count: int, where: str) -> np.ndarray:
    """``[x, y, score, x, y, …]`` → ``(count, 3)``.

    Raises:
        UserError: another number of values, or values that are no numbers.
    """
    try:
        array = np.asarray(values, np.float32).reshape(-1, 3)
    except (TypeError, ValueError):
        array = np.zeros((0, 3), np.float32)
    if len(array) != count:
        raise UserError(f"{where} has {np.size(values)} numbers where {count} points of x, y, score belong.")
    return array
