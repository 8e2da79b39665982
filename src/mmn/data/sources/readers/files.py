"""Shared by the readers: the files of a source, JSON, and values in it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.skeletons import SPLITS
from mmn.data.sources.recording import Recording
from mmn.errors import UserError
from mmn.outside import blamed, check_brackets, read_bytes


class ClipFile(NamedTuple):
    """A file with one or several clips.

    Attributes:
        name: name of the clip.
        path: the file.
        label: class named by the folder, if folders are classes.
        split: train, val or test, if a folder names it.
    """

    name: str
    path: Path
    label: str | None = None
    split: str | None = None


def files_below(source: Path, pattern: str) -> list[Path]:
    """Matching files of a folder, sorted; hidden files, such as macOS's ``._a.json``, are ignored."""
    found = (path for path in source.glob(pattern) if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(source).parts))


def clip_files(source: Path, suffixes: tuple[str, ...], labels: str | Path | None = None) -> list[ClipFile]:
    """The clip files of a source: the file itself, or the files of a folder and of its subfolders.

    Folders named after a split (``train``, or a name ending in it) are splits, with files or folders in them. Other
    folders are clips if each has one file in it, and classes otherwise. The file ``labels`` is skipped.

    Raises:
        UserError: there is no file with one of the suffixes.
    """
    if source.is_file():
        return [ClipFile(source.stem, source)]
    paths = [p for depth in ("*", "*/*", "*/*/*") for suffix in suffixes for p in files_below(source, depth + suffix)]
    paths = [path for path in paths if labels is None or path.resolve() != Path(labels).resolve()]
    if not paths:
        raise UserError(
            f"{source} contains no {' or '.join(suffixes)} files; put one file per clip there, or one folder per clip."
        )
    placed = [(path, *_place(path, source)) for path in paths]
    folders = [path.parent for path, _, folder in placed if folder]
    are_clips = len(set(folders)) == len(folders)
    stems = Counter(path.stem for path in paths)
    files = []
    for path, split, folder in placed:
        if folder and are_clips:
            files.append(ClipFile(folder, path, None, split))
        else:
            name = path.stem if stems[path.stem] == 1 or not folder else f"{folder}/{path.stem}"
            files.append(ClipFile(name, path, folder or None, split))
    return files


def recordings_of_files(
    source: Path,
    suffixes: tuple[str, ...],
    read: Callable[[str, Path], Iterable[Recording]],
    labels: str | Path | None = None,
) -> Iterator[Recording]:
    """Read the recordings of all files of a source lazily, with the class and split named by their folders.

    Args:
        source: a file or folder.
        suffixes: suffixes of the files to read.
        read: clip name and file → recordings in the file.
        labels: see ``clip_files``.
    """
    for file in clip_files(source, suffixes, labels):
        with blamed(file.path, "recording", "write it again"):
            for recording in read(file.name, file.path):
                label = file.label if recording.label is None else recording.label
                yield replace(recording, label=label, split=recording.split or file.split)


def _place(path: Path, source: Path) -> tuple[str | None, str]:
    """The split named by a file's folders, and the folder below it that names the clip or class, if any."""
    folders = list(path.relative_to(source).parts[:-1])
    split = _split_in(folders[0]) if folders else None
    if split:
        folders = folders[1:]
    return split or _split_in(source.name), "/".join(folders)


def _split_in(folder: str) -> str | None:
    return next((split for split in SPLITS if re.search(rf"(^|[_-]){split}$", folder.lower())), None)


def first_content(source: Path) -> Any:
    """The content of the first non-empty JSON file of a source; None if there is none."""
    paths = [source] if source.is_file() else []
    for pattern in (f"{depth}{suffix}" for depth in ("*", "*/*", "*/*/*") for suffix in (".json", ".jsonl")):
        paths += files_below(source, pattern) if source.is_dir() else []
    return next((content for path in paths if (content := read_json(path))), None)


def read_json(path: Path) -> Any:
    """The content of a JSON file, or a list of the lines of a JSON Lines file.

    Raises:
        UserError: the file is neither.
    """
    with blamed(path, "JSON file", "write it again"):
        content = read_bytes(path, "JSON file")
        text = content.decode(json.detect_encoding(content))  # UTF-8 or 16, with or without a byte order mark
        check_brackets(text)
        try:
            return json.loads(text)
        except ValueError:
            lines = [line for line in text.splitlines() if line.strip()]
            if len(lines) < 2 or not _is_json(lines[0]):
                raise
            return [json.loads(line) for line in lines]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def triples(values: Any, where: str) -> NDArray[np.float32]:
    """``[x, y, score, x, y, …]`` → ``(P, 3)``.

    Raises:
        UserError: the values are not numbers, or not a multiple of three.
    """
    try:
        return np.asarray(values, np.float32).reshape(-1, 3)
    except (TypeError, ValueError):
        raise UserError(
            f"{where} has {np.size(values)} values that are not x, y, score of points; write the file again."
        ) from None


def track_number(value: Any) -> float:
    """A person's track number, possibly in a list; NaN for anything that is not a number."""
    while isinstance(value, list):
        value = value[0] if value else None
    try:
        return float(value) if value is not None and not isinstance(value, bool) else np.nan
    except (TypeError, ValueError):
        return np.nan
