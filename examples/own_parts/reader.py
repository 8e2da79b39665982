"""A custom reader: text files, one per clip, one line per frame, x and y of every joint in the layout's order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.recording import Recording
from mmn.errors import UserError


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per ``.txt`` file of a folder, named after it; ``nan`` for missing joints."""
    return Parsed("text files", _recordings(source))


def _recordings(source: Path) -> Iterator[Recording]:
    for path in sorted(source.glob("*.txt")):
        try:
            rows = np.loadtxt(path, ndmin=2)
            points = rows.reshape(1, len(rows), -1, 2)  # (persons, frames, joints, coordinates)
        except ValueError as error:
            raise UserError(f"{path} is not a table of coordinates ({error}); write one frame per line.") from None
        yield Recording.from_array(path.stem, points.astype(np.float32), None)
