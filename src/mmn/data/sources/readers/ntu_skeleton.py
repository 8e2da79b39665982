"""Reader of NTU RGB+D's ``.skeleton`` files: 25 joints per body in metres; file names end in the action, A001…

A file starts with the number of frames, a frame with the number of bodies. A body has a line that starts with its ID,
the number of joints, and one line per joint that starts with x, y, z and ends in the tracking state: 0, 1 or 2.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.points import NTU25
from mmn.data.sources.readers.files import recordings_of_files
from mmn.data.sources.recording import FrameKey, Person, Recording
from mmn.errors import UserError

_ACTION, _SUBJECT = re.compile(r"A(\d{3})"), re.compile(r"P\d{3}")


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file; its name gives the class (action) and the group (subject)."""
    return Parsed("NTU skeletons", recordings_of_files(source, (".skeleton",), _recordings))


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    try:
        frames = list(_frames(path.read_text(encoding="ascii").split("\n")))
    except (OSError, ValueError, IndexError):
        raise UserError(f"{path} is truncated or not an NTU skeleton file; download it again.") from None
    action, subject = _ACTION.search(path.stem), _SUBJECT.search(path.stem)
    label, group = int(action[1]) - 1 if action else None, subject[0] if subject else ""
    yield Recording.from_frames(name, frames, NTU25, label=label, group=group)


def _frames(lines: list[str]) -> Iterator[tuple[FrameKey, list[Person]]]:
    numbers: dict[str, int] = {}  # body ID → track number, since IDs have more digits than a float
    at = 1
    for frame in range(int(lines[0])):
        people, at = [], at + 1
        for _ in range(int(lines[at - 1])):
            number = numbers.setdefault(lines[at].split()[0], len(numbers))
            count = int(lines[at + 1])
            joints = np.array([line.split() for line in lines[at + 2 : at + 2 + count]], np.float32)
            if joints.shape[0] != NTU25.size:
                raise ValueError("unexpected number of joints")
            people.append(Person(joints[:, :3], np.asarray(joints[:, -1] / 2, np.float32), number))
            at += 2 + count
        yield frame, people
