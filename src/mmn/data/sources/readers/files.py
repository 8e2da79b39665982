"""What readers share: the files of a source, and JSON in them."""

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
from mmn.outside import blamed, read_bytes


class ClipFile(NamedTuple):
    """A file that holds a clip, or several.

    Attributes:
        name: the clip's.
        path: the file.
        label: the class its folder names, where a folder is a class.
        split: train, val or test, where a folder names it.
    """

    name: str
    path: Path
    label: str | None = None
    split: str | None = None


def files_below(source: Path, pattern: str) -> list[Path]:
    """Files of a folder that match, sorted; hidden ones, such as macOS's ``._a.json``, are no files of a source."""
    found = (path for path in source.glob(pattern) if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(source).parts))


def clip_files(source: Path, suffixes: tuple[str, ...]) -> list[ClipFile]:
    """The one file; or the files of a folder, a clip each; or those of its folders.

    Folders are splits where they are named so (``train``, or ending in it), with files or folders in them. A folder is
    a clip where each has one file in it, and a class where any has more.

    Raises:
        UserError: no such file.
    """
    if source.is_file():
        return [ClipFile(source.stem, source)]
    paths = [p for depth in ("*", "*/*", "*/*/*") for suffix in suffixes for p in files_below(source, depth + suffix)]
    if not paths:
        raise UserError(
            f"{source} holds no {' or '.join(suffixes)} files; a clip is one there, named after it or its folder."
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
    source: Path, suffixes: tuple[str, ...], read: Callable[[str, Path], Iterable[Recording]]
) -> Iterator[Recording]:
    """The recordings in each file of a source, with the class and split that its folders name.

    Args:
        source: a file or folder.
        suffixes: of the files wanted.
        read: name of the clip and file → the recordings in it.
    """
    for file in clip_files(source, suffixes):
        with blamed(file.path, "recording", "write it again"):
            for recording in read(file.name, file.path):
                label = file.label if recording.label is None else recording.label
                yield replace(recording, label=label, split=recording.split or file.split)


def _place(path: Path, source: Path) -> tuple[str | None, str]:
    """The split that a file's folders name, and the folder below it that is its clip or class, if any."""
    folders = list(path.relative_to(source).parts[:-1])
    split = _split_in(folders[0]) if folders else None
    if split:
        folders = folders[1:]
    return split or _split_in(source.name), "/".join(folders)


def _split_in(folder: str) -> str | None:
    return next((split for split in SPLITS if re.search(rf"(^|[_-]){split}$", folder.lower())), None)


def first_content(source: Path) -> Any:
    """The content of the first JSON file of a source that has any; None where none has."""
    paths = [source] if source.is_file() else []
    for pattern in (f"{depth}{suffix}" for depth in ("*", "*/*", "*/*/*") for suffix in (".json", ".jsonl")):
        paths += files_below(source, pattern) if source.is_dir() else []
    return next((content for path in paths if (content := read_json(path))), None)


def read_json(path: Path) -> Any:
    """The content of a JSON file; of JSON lines, a list of them.

    Raises:
        UserError: a file that is neither.
    """
    with blamed(path, "JSON file", "write it again"):
        content = read_bytes(path, "JSON file")
        text = content.decode(json.detect_encoding(content))  # UTF-8 or 16, with a byte order mark or without
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
        UserError: values that are no such numbers.
    """
    try:
        return np.asarray(values, np.float32).reshape(-1, 3)
    except (TypeError, ValueError):
        raise UserError(f"{where} has {np.size(values)} values that are no x, y, score of points.") from None


def track_number(value: Any) -> float:
    """The number an estimator gave a person, in a list or not; NaN for anything else."""
    while isinstance(value, list):
        value = value[0] if value else None
    try:
        return float(value) if value is not None and not isinstance(value, bool) else np.nan
    except (TypeError, ValueError):
        return np.nan
