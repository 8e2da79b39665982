"""Reader of SLEAP analysis files: HDF5 with ``tracks (people, 2, nodes, frames)``, or CSV with a row per detection."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from mmn.data.sources.labels.table import read_table
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.own_layout import own_estimator, own_layout
from mmn.data.sources.points import Estimator
from mmn.data.sources.readers.files import clip_files, recordings_of_files
from mmn.data.sources.recording import FrameKey, Person, Recording
from mmn.errors import UserError
from mmn.hdf5.reading import open_hdf5

_SUFFIXES = (".h5", ".csv")
_ADVICE = "export it from SLEAP again"


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""
    bones = _bones(clip_files(source, _SUFFIXES, options.labels)[0].path)
    recordings = recordings_of_files(source, _SUFFIXES, _recordings, options.labels)
    first = next(recordings)
    assert first.estimator is not None
    layout = own_layout(list(first.estimator.points), bones, first.points)
    return Parsed("SLEAP analysis", chain([first], recordings), layout=layout)


def is_sleap(path: Path) -> bool:
    """Whether a file is in this format, by its columns or data sets."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith("track,frame_idx,")
    try:
        with open_hdf5(path, _ADVICE, foreign=True) as file:
            return {"tracks", "node_names"} <= set(file)
    except UserError:
        return False


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    try:
        yield _table(name, path) if path.suffix == ".csv" else _analysis(name, path)
    except (OSError, KeyError, ValueError):
        raise UserError(f"{path} is not a SLEAP analysis file; export it again.") from None


def _analysis(name: str, path: Path) -> Recording:
    with open_hdf5(path, _ADVICE, foreign=True) as file:
        points = np.moveaxis(file["tracks"][()], (0, 3, 2, 1), (0, 1, 2, 3))  # (people, frames, nodes, 2)
        nodes = [str(node, "utf-8") for node in file["node_names"][()]]
        scores = np.moveaxis(file["point_scores"][()], (0, 2, 1), (0, 1, 2)) if "point_scores" in file else None
    return Recording.from_array(name, points, scores, estimator=_estimator(nodes), tracked=True)


def _bones(path: Path) -> list[tuple[int, int]]:
    if path.suffix == ".csv":
        return []
    with open_hdf5(path, _ADVICE, foreign=True) as file:
        return [(int(a), int(b)) for a, b in file["edge_inds"][()]] if "edge_inds" in file else []


def _table(name: str, path: Path) -> Recording:
    people: dict[int, list[Person]] = {}
    nodes: list[str] = []
    tracks: dict[str, int] = {}
    for _, cells in read_table(path, ("track", "frame_idx")):
        nodes = nodes or [column.removesuffix(".x") for column in cells if column.endswith(".x")]
        table = [[float(cells.get(f"{node}.{axis}") or "nan") for axis in ("x", "y", "score")] for node in nodes]
        values = np.array(table, np.float32)
        number = tracks.setdefault(cells["track"], len(tracks)) if cells["track"] else np.nan
        people.setdefault(int(float(cells["frame_idx"])), []).append(Person(values[:, :2], values[:, 2], number))
    frames: list[tuple[FrameKey, list[Person]]] = sorted(people.items())
    return Recording.from_frames(name, frames, _estimator(nodes))


def _estimator(nodes: list[str]) -> Estimator:
    return own_estimator(nodes, f"SLEAP's {len(nodes)} nodes")
