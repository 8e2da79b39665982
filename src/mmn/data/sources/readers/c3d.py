"""Reader of C3D motion capture: 3D markers; needs ezc3d (``pip install -e '.[mocap]'``)."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.own_layout import own_estimator, own_layout
from mmn.data.sources.readers.files import recordings_of_files
from mmn.data.sources.recording import Recording, frame_rate
from mmn.errors import UserError
from mmn.outside import reason


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""
    recordings = recordings_of_files(source, (".c3d",), _recordings)
    first = next(recordings)
    assert first.estimator is not None
    layout = own_layout(list(first.estimator.points), (), first.points)
    return Parsed("C3D markers", chain([first], recordings), layout=layout)


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    try:
        from ezc3d import c3d
    except ImportError:
        raise UserError("C3D files need ezc3d, which is not installed; run pip install -e '.[mocap]'.") from None
    try:
        content = c3d(str(path))
    except Exception as error:  # anything its C++ code raises
        raise UserError(f"{path} is not a readable C3D file ({reason(error)}); export it again.") from None
    markers = content["parameters"]["POINT"]["LABELS"]["value"]
    points = np.moveaxis(content["data"]["points"][:3], (2, 1, 0), (0, 1, 2)).astype(np.float32)  # (T, P, 3)
    residuals = content["data"]["meta_points"]["residuals"][0].T  # (T, P), −1 for occluded markers
    scores = (np.isfinite(points).all(axis=2) & (residuals >= 0)).astype(np.float32)
    estimator = own_estimator(markers, f"the file's {len(markers)} markers")
    fps = frame_rate(float(content["parameters"]["POINT"]["RATE"]["value"][0]))
    yield Recording.from_array(name, points[None], scores[None], estimator=estimator, fps=fps)
