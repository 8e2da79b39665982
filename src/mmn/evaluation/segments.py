"""Segments of long recordings in which an action is recognised."""

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
    """One segment of a recording, in seconds from its start; ``probability`` 0–1 is the mean over its frames."""

    name: str
    start: float
    end: float
    class_name: str
    probability: float

    def as_row(self) -> dict[str, Any]:
        """The segment as a table row with ``COLUMNS``."""
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
    """Segments in which a class's probability reaches the threshold, sorted by start; classes may overlap.

    Args:
        name: name of the recording.
        probabilities: ``(T, K)``, per frame.
        frames: ``(T,)`` frame numbers, 0 for the recording's first frame.
        classes: K names.
        fps: frames per second.
        threshold: minimum probability, 0–1.
        background: index of the class that means no action, if any.
    """
    step, found = step_of(frames), []
    for k in range(len(classes)):
        for first, last in runs(probabilities[:, k] >= threshold) if k != background else []:
            start, end = float(frames[first]) / fps, float(frames[last] + step) / fps
            found.append(Segment(name, start, end, classes[k], float(probabilities[first : last + 1, k].mean())))
    return sorted(found, key=lambda segment: (segment.start, segment.end))


def step_of(frames: NDArray[np.int64]) -> int:
    """The difference of successive frame numbers ``(T,)``; more than 1 if only every n-th frame was recognised."""
    return int(frames[1] - frames[0]) if len(frames) > 1 else 1


def read_segments(path: Path, scored: bool) -> list[Segment]:
    """Segments of a CSV file with ``name,start,end`` in seconds, ``class`` or ``label``, and ``probability``.

    Args:
        path: the file.
        scored: whether a probability is required; it defaults to 1 otherwise.

    Raises:
        UserError: the file cannot be read, lacks a column, or has an invalid row.
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
        raise UserError(f"{where}: {needed} must be numbers, with a decimal point.") from None
    if not cells["name"] or not label:
        raise UserError(f"{where} has no {'class' if cells['name'] else 'name'}; each segment needs one.")
    if not (0 <= start < end and math.isfinite(end) and math.isfinite(probability)):
        raise UserError(
            f"{where}: a segment from {start:g} to {end:g} with probability {probability:g} is not valid; the end must "
            "come after the start, and all three must be finite."
        )
    return Segment(cells["name"], start, end, label, probability)
