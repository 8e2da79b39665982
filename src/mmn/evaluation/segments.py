"""Stretches of long recordings in which an action is seen."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.labels.table import read_table
from mmn.errors import UserError
from mmn.inference.long_recording import runs

COLUMNS = ["name", "start", "end", "class", "probability"]


class Segment(NamedTuple):
    """One stretch of a recording, in seconds from its start; ``probability`` 0–1 is the mean over its frames."""

    name: str
    start: float
    end: float
    class_name: str
    probability: float

    def as_row(self) -> dict[str, Any]:
        """What a table says of it, in ``COLUMNS``."""
        rounded = round(self.start, 3), round(self.end, 3), self.class_name, round(self.probability, 6)
        return dict(zip(COLUMNS, (self.name, *rounded), strict=True))


def segments_in(
    name: str,
    probabilities: NDArray[np.float64],
    frames: NDArray[np.int64],
    classes: Sequence[str],
    fps: float,
    threshold: float,
    background: int | None = None,
) -> list[Segment]:
    """Where each class is likelier than a threshold, by their starts; those of different classes may overlap.

    Args:
        name: the recording's.
        probabilities: ``(T, K)`` of its frames.
        frames: ``(T,)`` their numbers, the first frame of the recording being 0.
        classes: K names.
        fps: frames a second.
        threshold: 0–1.
        background: the class that stands for no action; None where there is none.
    """
    step = int(frames[1] - frames[0]) if len(frames) > 1 else 1
    found = []
    for k in range(len(classes)):
        for first, last in runs(probabilities[:, k] >= threshold) if k != background else []:
            start, end = float(frames[first]) / fps, float(frames[last] + step) / fps
            found.append(Segment(name, start, end, classes[k], float(probabilities[first : last + 1, k].mean())))
    return sorted(found, key=lambda segment: (segment.start, segment.end))


def read_segments(path: Path, scored: bool) -> list[Segment]:
    """Segments of a CSV file with ``name,start,end`` in seconds, ``class`` or ``label``, and ``probability``.

    Args:
        path: the file.
        scored: whether they have to have a probability; otherwise it is taken for 1.

    Raises:
        UserError: a file that cannot be read, lacks a column, or has a row that means nothing.
    """
    rows = read_table(path, ("name", "start", "end"))
    return [_segment(cells, scored, f"{path}, line {number}") for number, cells in rows]


def _segment(cells: dict[str, str], scored: bool, where: str) -> Segment:
    label = cells.get("class") or cells.get("label") or ""
    try:
        start, end = float(cells["start"]), float(cells["end"])
        probability = float(cells["probability"]) if scored else 1.0
    except (KeyError, ValueError):
        needed = "start, end and probability" if scored else "start and end"
        raise UserError(f"{where}: {needed} have to be numbers, with a point for decimals.") from None
    if not cells["name"] or not label:
        raise UserError(f"{where} has no {'class' if cells['name'] else 'name'}; each segment needs one.")
    if not (0 <= start < end and math.isfinite(end) and math.isfinite(probability)):
        raise UserError(f"{where}: {start:g} to {end:g}, {probability:g} is no segment; its end comes after its start.")
    return Segment(cells["name"], start, end, label, probability)
