"""A data set in memory: its layout, its classes and the clips of each split."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips, check_clips
from mmn.data.format.layout import Layout
from mmn.data.format.names import check_classes, check_names
from mmn.errors import UserError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SkeletonData:
    """The content of one HDF5 file.

    Attributes:
        name: short name of the data set, such as ``"ma52"``.
        source: description of its origin.
        layout: its skeleton.
        classes: its classes.
        splits: those of ``train``, ``val`` and ``test`` that exist.
    """

    name: str
    source: str
    layout: Layout
    classes: Classes
    splits: dict[str, Clips]

    @property
    def coordinates(self) -> int:
        """Number of coordinates per joint, 2 or 3."""
        return next(iter(self.splits.values())).keypoints.shape[2]


def check_data(data: SkeletonData, where: str) -> None:
    """Refuse a data set that training cannot use.

    Raises:
        UserError: the data is unusable; the message names ``where``, the split and the clip.
    """
    check_classes(data.classes, where)
    check_names([data.name, data.source], "the data set's", where)
    check_names(data.layout.joints, "joint", where)
    check_names(list(data.layout.parts), "part", where)
    if not data.splits:
        raise UserError(f"{where} has none of the splits {', '.join(SPLITS)}; convert the data set again.")
    for split, clips in data.splits.items():
        check_clips(clips, data.layout.joints, len(data.classes.names), f"{where}, split {split}")
        check_names(clips.names, "clip", f"{where}, split {split}")
        check_names(clips.groups or [], "the group of clip", f"{where}, split {split}")
        if clips.keypoints.shape[2] != data.coordinates:
            raise UserError(
                f"{where}, split {split} has {clips.keypoints.shape[2]} coordinates per joint, another split "
                f"{data.coordinates}; convert all splits with the same number."
            )


def digest(data: SkeletonData, splits: Iterable[str] = SPLITS) -> str:
    """A digest of the content: names, labels and lengths of the clips, joints and classes."""
    clips = [data.splits[split] for split in splits if split in data.splits]
    names = [name for split in clips for name in split.names]
    numbers = np.concatenate([split.labels for split in clips] + [split.offsets for split in clips]).astype("<i8")
    text = "\n".join([*names, *data.layout.joints, *data.classes.names])
    return hashlib.sha256(text.encode() + numbers.tobytes()).hexdigest()[:16]
