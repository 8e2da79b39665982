"""What readers share: the files of a source, and JSON in them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError


def files_below(source: Path, pattern: str) -> list[Path]:
    """Files of a folder that match, sorted; hidden ones, such as macOS's ``._a.json``, are no files of a source."""
    return sorted(path for path in source.glob(pattern) if path.is_file() and not path.name.startswith("."))


def clip_files(source: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Name and file of each clip: the one file, a file a clip, or a folder a clip with the one file in it.

    Raises:
        UserError: none there.
    """
    if source.is_file():
        yield source.stem, source
        return
    flat = [path for suffix in suffixes for path in files_below(source, f"*{suffix}")]
    nested = [path for suffix in suffixes for path in files_below(source, f"*/*{suffix}")]
    if not flat and not nested:
        raise UserError(
            f"{source} holds no {' or '.join(suffixes)} files; a clip is one there, named after it or its folder."
        )
    yield from ((path.stem, path) for path in flat)
    alone = len({path.parent for path in nested}) == len(nested)
    yield from ((path.parent.name if alone else f"{path.parent.name}/{path.stem}", path) for path in nested)


def first_content(source: Path) -> Any:
    """The content of the first JSON file of a source that has any; None where none has."""
    paths = [source] if source.is_file() else []
    for pattern in ("*.json", "*.jsonl", "*/*.json", "*/*.jsonl"):
        paths += files_below(source, pattern) if source.is_dir() else []
    return next((content for path in paths if (content := read_json(path))), None)


def read_json(path: Path) -> Any:
    """The content of a JSON file; of JSON lines, a list of them.

    Raises:
        UserError: a file that is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a readable JSON file ({error}); write it again.") from None
    try:
        return json.loads(text)
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            if len(lines) > 1:
                return [json.loads(line) for line in lines]
        except ValueError:
            pass
        raise UserError(f"{path} is not a readable JSON file ({error}); write it again.") from None


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
