"""Reader of DeepLabCut results: HDF5, or CSV with three header rows, or four if there are several ``individuals``.

The header of a column is scorer, (individual,) body part, and x, y or likelihood; a row is a frame.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.labels.table import read_text
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.own_layout import own_estimator, own_layout
from mmn.data.sources.readers.files import recordings_of_files
from mmn.data.sources.readers.pickles import unpickle
from mmn.data.sources.recording import Recording
from mmn.errors import UserError
from mmn.hdf5.reading import open_hdf5
from mmn.outside import memory_for

Column = tuple[str, ...]


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""
    recordings = recordings_of_files(source, (".csv", ".h5"), _recordings, options.labels)
    first = next(recordings)
    assert first.estimator is not None
    layout = own_layout(list(first.estimator.points), (), first.points)
    return Parsed("DeepLabCut", chain([first], recordings), layout=layout)


def is_deeplabcut(path: Path) -> bool:
    """Whether a CSV file begins with the row of scorers, or an HDF5 file has DeepLabCut's pandas table."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith("scorer,")
    try:
        return bool(_table(path)[0])
    except UserError:
        return False


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    try:
        columns, values, frames = _csv(path) if path.suffix == ".csv" else _table(path)
        points, scores, joints = _points(columns, values, memory_for(path.stat().st_size))
    except (OSError, KeyError, ValueError, IndexError):
        raise UserError(f"{path} is not a DeepLabCut result; write it again, or give --format.") from None
    estimator = own_estimator(joints, f"DeepLabCut's {len(joints)} points")
    yield replace(Recording.from_array(name, points, scores, estimator=estimator, tracked=True), frames=frames)


def _points(
    columns: Sequence[Column], values: NDArray[np.float64], room: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """``(M, T, P, 2)``, ``(M, T, P)`` and the names of the body parts.

    Raises:
        ValueError: the people and body parts in the header take more than ``room`` bytes.
    """
    people = _places(column[1] if len(column) == 4 else "" for column in columns)
    joints = _places(column[-2] for column in columns)
    shape = (len(people), len(values), len(joints), 3)
    if 4 * math.prod(shape) > room:
        raise ValueError
    table = np.full(shape, np.nan, np.float32)
    for column, cells in zip(columns, values.T, strict=True):
        person = people[column[1] if len(column) == 4 else ""]
        table[person, :, joints[column[-2]], ("x", "y", "likelihood").index(column[-1])] = cells
    return table[..., :2], table[..., 2], list(joints)


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _csv(path: Path) -> tuple[list[Column], NDArray[np.float64], list[int]]:
    rows = [row for row in csv.reader(io.StringIO(read_text(path, "DeepLabCut's CSV"))) if row]
    header = next(index for index, row in enumerate(rows) if row[0] == "coords") + 1
    columns = list(zip(*(row[1:] for row in rows[:header]), strict=True))
    values = [[float(cell) if cell else np.nan for cell in row[1:]] for row in rows[header:]]
    return columns, np.array(values).reshape(-1, len(columns)), [int(float(row[0])) for row in rows[header:]]


def _table(path: Path) -> tuple[list[Column], NDArray[np.float64], list[int]]:
    """The pandas table of an HDF5 file, read without pandas, which would execute the pickled column names.

    Raises:
        UserError: the file has no such table, or is refused.
    """
    with open_hdf5(path, "write it again", foreign=True) as file:
        table = next((g["table"] for g in file.values() if isinstance(g, h5py.Group) and "table" in g), None)
        if not isinstance(table, h5py.Dataset) or "values_block_0_kind" not in table.attrs:
            raise UserError(f"{path} has no pandas table, so it is not a DeepLabCut result; check --format.")
        names = unpickle(bytes(table.attrs["values_block_0_kind"]), str(path))
        rows = table[()]
    return [tuple(map(str, name)) for name in names], rows["values_block_0"].astype(float), rows["index"].tolist()
