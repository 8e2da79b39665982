"""Reader of CTR-GCN's ``NTU60_CS.npz``: ``x_train (N, T, 150)``, 25 joints of two people, and one-hot ``y_train``."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.points import NTU25
from mmn.data.sources.readers.arrays import load_numpy
from mmn.data.sources.recording import Recording
from mmn.errors import UserError

_PEOPLE, _JOINTS = 2, 25


def read(source: Path, options: ConvertOptions) -> Parsed:
    """The clips of all splits in the file."""
    return Parsed("NTU arrays", _recordings(source))


def is_ntu_arrays(source: Path) -> bool:
    """Whether an ``.npz`` file has the keys of this format."""
    try:
        with zipfile.ZipFile(source) as content:
            return {"x_train.npy", "y_train.npy"} <= set(content.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _recordings(source: Path) -> Iterator[Recording]:
    content = dict(load_numpy(source))
    for split in ("train", "val", "test"):
        if f"x_{split}" not in content:
            continue
        x, y = content[f"x_{split}"], content.get(f"y_{split}")
        if x.ndim != 3 or x.shape[2] != _PEOPLE * _JOINTS * 3 or (y is not None and len(y) != len(x)):
            raise UserError(
                f"{source}: x_{split} has shape {x.shape}; expected (clips, frames, {_PEOPLE * _JOINTS * 3}), with a "
                "label for each clip."
            )
        for index, clip in enumerate(x):
            points = clip.reshape(len(clip), _PEOPLE, _JOINTS, 3).swapaxes(0, 1)
            label = None if y is None else int(y[index].argmax() if y.ndim == 2 else y[index])
            yield Recording.from_array(f"{split}{index:05d}", points, estimator=NTU25, label=label, split=split)
