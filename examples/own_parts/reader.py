"""A reader of one's own: text files, a clip each, a frame a line, x and y of every joint in the layout's order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmn.data.sources.recording import Recording
from mmn.data.sources.request import Options, Parsed
from mmn.errors import UserError


def read(source: Path, options: Options) -> Parsed:
    """Every ``.txt`` file of a folder, named by its file; ``nan`` where a joint was not seen."""
    return Parsed("text files", _recordings(source))


def _recordings(source: Path) -> Iterator[Recording]:
    for path in sorted(source.glob("*.txt")):
        try:
            rows = np.loadtxt(path, ndmin=2)
            points = rows.reshape(1, len(rows), -1, 2)  # (persons, frames, joints, coordinates)
        except ValueError as error:
            raise UserError(f"{path} is not a table of coordinates ({error}); write a frame a line.") from None
        yield Recording.from_array(path.stem, points.astype(np.float32), None)
