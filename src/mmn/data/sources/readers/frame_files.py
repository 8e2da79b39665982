"""Clips with one file per frame: one folder per clip, or files in one folder grouped by name."""

import re
from pathlib import Path

from mmn.data.sources.frame_numbers import digit_runs
from mmn.data.sources.readers.files import files_below
from mmn.errors import UserError

ENDING = "_keypoints"
"""OpenPose's suffix after the frame number."""


def frame_files(source: Path, suffix: str = ".json") -> dict[str, list[Path]]:
    """Clip → the files of its frames; files in one folder are grouped into clips by the common part of their names.

    Raises:
        UserError: there are no files with the suffix, or some are more than one folder down.
    """
    clips = _by_prefix([source] if source.is_file() else files_below(source, f"*{suffix}"), source)
    below: dict[Path, list[Path]] = {}
    for path in files_below(source, f"*/*{suffix}"):
        below.setdefault(path.parent, []).append(path)
    for folder, paths in below.items():
        parts = _by_prefix(paths, folder)
        for name, files in parts.items():
            clips.setdefault(folder.name if len(parts) == 1 else f"{folder.name}/{name}", []).extend(files)
    if deeper := next(iter(files_below(source, f"*/*/*{suffix}")), None):
        raise UserError(f"{deeper} is two folders below {source}; give the folder that holds the clips' folders.")
    if not clips:
        raise UserError(f"{source} contains no {suffix} files; give a folder per clip, with one file per frame.")
    return clips


def _by_prefix(paths: list[Path], folder: Path) -> dict[str, list[Path]]:
    """Group the frame files of one folder by their names without the frame number.

    If a name has several numbers, the last one that varies among names of the same form is the frame number.
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
    """A name without its number ``at`` and the separators left over: ``clip1_0007`` → ``clip1``."""
    runs = list(re.finditer(r"\d+", name))
    if at < 0 or not runs:
        return name
    return (name[: runs[at].start()].rstrip("_-. ") + name[runs[at].end() :]).strip("_-. ")
