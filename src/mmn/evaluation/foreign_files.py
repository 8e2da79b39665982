"""Score files of other projects: rows of numbers, with clip names if the file has them."""

import csv
import io
import math
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.data.sources.readers.pickles import ArrayUnpickler, name_of
from mmn.errors import UserError
from mmn.outside import from_outside, read_arrays, read_json, read_text

SUFFIXES = (".json", ".pkl", ".pickle", ".npz", ".npy", ".csv")

_NAME_KEYS = ("frame_dir", "name", "vid", "filename", "file_name", "sample_name", "img_id")
_SCORE_KEYS = ("pred_score", "pred_scores", "scores", "score", "logits", "prediction")
_LABEL_KEYS = ("gt_label", "gt_labels", "label")


@dataclass(frozen=True)
class Rows:
    """Content of a score file.

    Attributes:
        values: ``(N, K)`` as written.
        names: of the clips; None if the file has only rows.
        labels: ``(N,)``, if any.
        classes: K class names, if any.
    """

    values: NDArray[np.float64]
    names: list[str] | None = None
    labels: NDArray[np.int64] | None = None
    classes: list[str] | None = None


def read_rows(path: Path) -> Rows:
    """Read a score file, executing nothing in it.

    JSON and pickles hold rows in the order of the clips (the official test script, PYSKL), a dict name → row (CTR-GCN,
    ST-GCN), or a dict per clip (MMAction2). ``.npz`` holds ``names`` and ``scores``, or one array per clip; ``.npy``
    only rows; CSV a name and K numbers per line, under the class names if it has a header.

    Raises:
        UserError: a missing, damaged or unsuitable file.
    """
    kind = "score file"
    if path.suffix == ".csv":
        rows = _csv(path)
    elif path.suffix == ".json":
        rows = _rows(read_json(path, kind), path)
    elif path.suffix in (".npy", ".npz"):
        rows = _arrays(path)
    else:
        with from_outside(path, kind, "nothing in it was executed"), path.open("rb") as file:
            rows = _rows(_ScoreUnpickler(file).load(), path)
    if rows.values.ndim != 2 or 0 in rows.values.shape:
        raise UserError(
            f"{path} holds scores of shape {rows.values.shape}; it should hold one row of class scores per clip."
        )
    if rows.names is not None and len(rows.names) != len(rows.values):
        raise UserError(f"{path} has {len(rows.names)} names for {len(rows.values)} rows of scores; write it again.")
    wrong = np.flatnonzero(~np.isfinite(rows.values).all(axis=1))
    if len(wrong):
        clip = rows.names[wrong[0]] if rows.names else f"row {wrong[0]}"
        raise UserError(f"{path}: the scores of {clip} are not all numbers; write it again.")
    return rows


class _ScoreUnpickler(ArrayUnpickler):
    """Also reads torch tensors, whose storage torch loads without executing anything."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.allowed["torch._utils", "_rebuild_tensor_v2"] = _tensor
        self.allowed["torch.storage", "_load_from_bytes"] = _storage


def _storage(content: bytes) -> Any:
    """The numbers of a tensor.

    Raises:
        pickle.UnpicklingError: there are more of them than bytes in the pickle, or they are compressed.
    """
    if zipfile.is_zipfile(io.BytesIO(content)):
        raise pickle.UnpicklingError("it has a tensor in a zip archive")
    storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if storage._untyped_storage.nbytes() > len(content):
        raise pickle.UnpicklingError("it has a tensor larger than itself")
    return storage


def _tensor(storage: Any, offset: int, size: Sequence[int], stride: Sequence[int], *options: Any) -> torch.Tensor:
    """Replaces torch's function, which enlarges a storage that is too small for the tensor, by whatever is in memory.

    Raises:
        RuntimeError: it is too small.
        pickle.UnpicklingError: the tensor repeats it.
    """
    whole = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)
    if math.prod(size) > whole.numel():
        raise pickle.UnpicklingError("it has a tensor larger than its content")
    return whole.as_strided(size, stride, offset)


def _rows(content: Any, path: Path) -> Rows:
    """Rows from the content of JSON or a pickle."""
    if isinstance(content, Mapping):
        for key in _SCORE_KEYS:  # {"scores": rows, "names": names}
            if key in content and len(content) <= 4:
                names = next((content[name] for name in ("names", *_NAME_KEYS) if name in content), None)
                return Rows(
                    _matrix(content[key], path), None if names is None else [name_of(name, path) for name in names]
                )
        return Rows(_matrix(list(content.values()), path), [name_of(name, path) for name in content])
    if isinstance(content, Sequence) and content and all(isinstance(row, Mapping) for row in content):
        return _tables(content, path)
    return Rows(_matrix(content, path))


def _tables(content: Sequence[Mapping[str, Any]], path: Path) -> Rows:
    """Rows of a list with one dict per clip."""

    def column(keys: Sequence[str]) -> list[Any] | None:
        key = next((key for key in keys if all(key in row for row in content)), None)
        return None if key is None else [row[key] for row in content]

    scores, names, labels = column(_SCORE_KEYS), column(_NAME_KEYS), column(_LABEL_KEYS)
    if scores is None:
        raise UserError(
            f"{path} has a dict per clip with none of {', '.join(_SCORE_KEYS)}; use one of these keys for the scores."
        )
    scores = [row.get("item", next(iter(row.values()))) if isinstance(row, Mapping) and row else row for row in scores]
    numbers = None if labels is None else np.asarray([np.asarray(label).ravel()[:1] for label in labels])
    return Rows(
        _matrix(scores, path),
        None if names is None else [name_of(name, path) for name in names],
        numbers.ravel().astype(np.int64) if numbers is not None and numbers.size == len(content) else None,
    )


def _matrix(rows: Any, path: Path) -> NDArray[np.float64]:
    try:
        flat = [np.asarray(row).squeeze() for row in rows]
        if not flat or any(row.ndim != 1 or len(row) != len(flat[0]) or row.dtype.kind not in "fiub" for row in flat):
            raise ValueError
        return np.stack(flat).astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise UserError(
            f"{path} does not hold a row of class scores per clip, all of one length; give the scores of every class."
        ) from None


def _arrays(path: Path) -> Rows:
    arrays = dict(read_arrays(path))
    if path.suffix == ".npy":
        return Rows(_matrix(next(iter(arrays.values())), path))
    score = next((key for key in _SCORE_KEYS if key in arrays), None)
    if score is None:
        return Rows(_matrix(list(arrays.values()), path), list(arrays))
    names = arrays.get("names")
    return Rows(_matrix(arrays[score], path), None if names is None else [name_of(name, path) for name in names])


def _csv(path: Path) -> Rows:
    text = read_text(path, "score file")
    with from_outside(path, "CSV file"):
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if line]
        header = lines.pop(0) if lines and not _number(lines[0][-1]) else None
        values = [[float(cell) for cell in line[1:]] for line in lines]
    return Rows(_matrix(values, path), [line[0].strip() for line in lines], classes=header and header[1:])


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
