"""Clips of which each frame is a file: a folder a clip, or the files of one folder gathered by their names."""

import re
from pathlib import Path

from mmn.data.sources.frame_numbers import digit_runs
from mmn.data.sources.readers.files import files_below
from mmn.errors import UserError

ENDING = "_keypoints"
"""What OpenPose puts after a frame's number."""


def frame_files(source: Path, suffix: str = ".json") -> dict[str, list[Path]]:
    """Clip → the files of its frames; files in one folder are grouped into clips by the common part of their names.

    Raises:
        UserError: if there is none.
    """
    clips = _by_prefix([source] if source.is_file() else files_below(source, f"*{suffix}"), source)
    for path in files_below(source, f"*/*{suffix}"):
        clips.setdefault(path.parent.name, []).append(path)
    if not clips:
        raise UserError(f"{source} holds no {suffix} files; a clip is a folder of them, a file a frame.")
    return clips


def _by_prefix(paths: list[Path], folder: Path) -> dict[str, list[Path]]:
    """Files of frames in one folder, gathered by what their names have in common beside the frame's number.

    Of several numbers in a name, the last that varies among names of one shape is the frame's.
    """
    shapes: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for path in paths:
        shape, runs = digit_runs(path.stem.removesuffix(ENDING))
        shapes.setdefault(shape, []).append((runs, path))
    clips: dict[str, list[Path]] = {}
    for members in shapes.values():
        count = len(members[0][0])
        varying = [i for i in range(count) if len({runs[i] for runs, _ in members}) > 1]
        at = varying[-1] if varying else count - 1
        for _, path in members:
            clips.setdefault(_without_number(path.stem.removesuffix(ENDING), at) or folder.name, []).append(path)
    return clips


def _without_number(name: str, at: int) -> str:
    """A name with its number ``at`` and what then hangs loose cut off: ``clip1_0007`` → ``clip1``."""
    runs = list(re.finditer(r"\d+", name))
    if at < 0 or not runs:
        return name
    return (name[: runs[at].start()].rstrip("_-. ") + name[runs[at].end() :]).strip("_-. ")
