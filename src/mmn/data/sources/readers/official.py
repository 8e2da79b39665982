"""Reader of the official pickles: ``{train,val,test}_data.pkl`` and ``…_label.pkl`` in one folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import UNKNOWN
from mmn.data.format.skeletons import SPLITS
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.readers.pickles import name_of, read_pickle
from mmn.data.sources.recording import Recording
from mmn.errors import UserError


def read(source: Path, options: ConvertOptions) -> Parsed:
    """Read all splits of a folder, or that of one ``_data`` pickle; labels are matched by name.

    A test split without a ``_label`` pickle (as for MA-52, whose test labels are hidden) has unknown labels.

    Raises:
        UserError: there is no split, the structure is wrong, a clip has no label, or a label has no clip.
    """
    if alone := split_of(source):
        return Parsed("official pickle", _read_split(source.parent, alone, options), published=True)
    if not source.is_dir():
        raise UserError(f"there is no folder {source}; give the one with train_data.pkl and the other pickles.")
    splits = [split for split in SPLITS if (source / f"{split}_data.pkl").exists()]
    if not splits:
        raise UserError(f"{source} contains none of train_data.pkl, val_data.pkl, test_data.pkl; check the folder.")
    recordings = (recording for split in splits for recording in _read_split(source, split, options))
    return Parsed("official pickles", recordings, published=True)


def split_of(source: Path) -> str:
    """The split of a ``_data`` pickle; empty for anything else."""
    return next((split for split in SPLITS if source.is_file() and source.name == f"{split}_data.pkl"), "")


def _read_split(folder: Path, split: str, options: ConvertOptions) -> Iterator[Recording]:
    path = folder / f"{split}_data.pkl"
    content = read_pickle(path)
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list) or not annotations:
        raise UserError(f"{path} has no list of annotations, so it is not an official data pickle; download it again.")
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or not {"frame_dir", "keypoint"} <= set(annotation):
            raise UserError(
                f"{path}: annotation {number} lacks frame_dir or keypoint, so it is not an official data pickle; "
                "download it again."
            )
    names = [name_of(annotation["frame_dir"], path) for annotation in annotations]
    clips = [_keypoints(a["keypoint"], path, name) for a, name in zip(annotations, names, strict=True)]
    labels = [UNKNOWN] * len(names) if options.poses_only else _labels(folder / f"{split}_label.pkl", names, path)
    for name, points, label in zip(names, clips, labels, strict=True):
        yield Recording.from_array(name, points, label=label, split=split)


def _keypoints(keypoint: Any, path: Path, name: str) -> NDArray[np.floating]:
    """``(1, T, V, C)``, checked."""
    if not isinstance(keypoint, np.ndarray) or keypoint.ndim != 4 or keypoint.dtype.kind not in "fiu":
        shape = getattr(keypoint, "shape", type(keypoint).__name__)
        raise UserError(
            f"{path}: clip {name} has keypoints {shape}; expected an array (1, frames, joints, coordinates)."
        )
    if keypoint.shape[0] != 1:
        raise UserError(f"{path}: clip {name} has {keypoint.shape[0]} persons; this format has one, so keep one.")
    return keypoint


def _labels(path: Path, names: list[str], data_path: Path) -> list[int]:
    if not path.exists() and path.name.startswith("test"):
        return [UNKNOWN] * len(names)
    rows = read_pickle(path)
    try:
        labels = {name_of(row["file_name"], path): int(row["label"]) for row in rows}
    except (TypeError, KeyError, ValueError):
        raise UserError(
            f"{path} is not a list of file_name and label, so it is not an official label pickle; download it again."
        ) from None
    for missing in (name for name in names if name not in labels):
        raise UserError(f"{data_path}: clip {missing} has no label in {path.name}; add it or remove the clip.")
    if extra := set(labels) - set(names):
        raise UserError(
            f"{path}: {min(extra)} has a label but no clip in {data_path.name} ({len(extra)} such labels); remove it."
        )
    return [labels[name] for name in names]
