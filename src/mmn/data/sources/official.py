"""Reader of the official pickles: ``{train,val,test}_data.pkl`` and ``…_label.pkl`` in one folder."""

from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.format.clips import Clips
from mmn.data.format.skeletons import SPLITS
from mmn.data.sources.pickles import read_pickle
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError


def read(folder: Path, request: Request) -> Source:
    """Every split found in ``folder``, clips in the order of the ``_data`` pickle and matched to labels by name.

    A test split without a ``_label`` pickle (as MA-52's, whose labels are hidden) has unknown labels.

    Raises:
        UserError: no split at all, a wrong structure, a clip without a label or a label without a clip.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give the one that holds train_data.pkl and its like.")
    splits = {split: _read_split(folder, split) for split in SPLITS if (folder / f"{split}_data.pkl").exists()}
    if not splits:
        raise UserError(f"{folder} holds none of train_data.pkl, val_data.pkl, test_data.pkl; is it the right folder?")
    return Source("official pickles", splits)


def _read_split(folder: Path, split: str) -> Clips:
    path = folder / f"{split}_data.pkl"
    content = read_pickle(path)
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list) or not annotations:
        raise UserError(f"{path} has no list of annotations; it is not an official data pickle.")
    names, arrays = [], []
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or not {"frame_dir", "keypoint"} <= set(annotation):
            raise UserError(
                f"{path}: annotation {number} lacks frame_dir or keypoint; it is not an official data pickle."
            )
        names.append(str(annotation["frame_dir"]))
        arrays.append(_keypoints(annotation["keypoint"], path, names[-1]))
    return Clips.from_arrays(arrays, _labels(folder / f"{split}_label.pkl", names, path), names)


def _keypoints(keypoint: Any, path: Path, name: str) -> np.ndarray:
    """``(1, T, V, C)`` → ``(T, V, C)``."""
    if not isinstance(keypoint, np.ndarray) or keypoint.ndim != 4 or keypoint.dtype.kind not in "fiu":
        shape = getattr(keypoint, "shape", type(keypoint).__name__)
        raise UserError(
            f"{path}: clip {name} has keypoints {shape}; an array (1, frames, joints, coordinates) belongs there."
        )
    if keypoint.shape[0] != 1:
        raise UserError(f"{path}: clip {name} has {keypoint.shape[0]} persons; one is supported, so choose one.")
    return keypoint[0]


def _labels(path: Path, names: list[str], data_path: Path) -> list[int] | None:
    if not path.exists() and path.name.startswith("test"):
        return None
    rows = read_pickle(path)
    try:
        labels = {str(row["file_name"]): int(row["label"]) for row in rows}
    except (TypeError, KeyError, ValueError):
        raise UserError(f"{path} is not a list of file_name and label; it is not an official label pickle.") from None
    for missing in (name for name in names if name not in labels):
        raise UserError(f"{data_path}: clip {missing} has no label in {path.name}; add it or remove the clip.")
    if extra := set(labels) - set(names):
        raise UserError(f"{path}: {min(extra)} has a label and no clip in {data_path.name} ({len(extra)} such).")
    return [labels[name] for name in names]
