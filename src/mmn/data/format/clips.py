"""Clips in memory, as produced by readers and used everywhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from mmn.data.format.lazy import LazyArray
from mmn.errors import UserError

UNKNOWN = -1
"""The label of a clip of unknown class."""

LARGEST = 1e7
"""Larger coordinates are considered damage: a kilometre in tenths of a millimetre."""

_FRAMES_AT_ONCE = 1 << 13


@dataclass(frozen=True)
class Clips:
    """Clips of one split, frames laid end to end.

    Attributes:
        keypoints: ``(ΣT, V, C)`` float32, joints in the layout's own order, in any unit; in memory or in the file.
        offsets: ``(N + 1,)`` int64; clip ``i`` is ``keypoints[offsets[i]:offsets[i + 1]]``.
        labels: ``(N,)`` int64, ``UNKNOWN`` if there is none.
        names: ``N`` names, unique in the split.
        filled: ``(ΣT, V)`` bool, missing joints that were filled in; None if none were.
        groups: ``N`` group names, such as subjects or recordings; None if unknown.
    """

    keypoints: NDArray[np.float32] | LazyArray
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    names: list[str]
    filled: NDArray[np.bool_] | LazyArray | None = None
    groups: list[str] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each clip ``(N,)``."""
        return np.diff(self.offsets)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Mask of clips with a known class ``(N,)``."""
        return self.labels != UNKNOWN

    def clip(self, index: int) -> NDArray[np.float32]:
        """Keypoints ``(T, V, C)`` of one clip, a view."""
        return self.keypoints[self.offsets[index] : self.offsets[index + 1]]

    def hashes(self, joints: Sequence[int] | None = None) -> NDArray[np.uint64]:
        """A hash of each clip's keypoints ``(N,)``, whatever its name, label and split.

        Args:
            joints: indices of the joints to include, in order; None for all.
        """
        clips = (self.clip(i) if joints is None else self.clip(i)[:, joints] for i in range(len(self)))
        return np.fromiter((xxhash.xxh3_64_intdigest(np.ascontiguousarray(clip).data) for clip in clips), np.uint64)

    @classmethod
    def from_arrays(
        cls,
        arrays: Sequence[NDArray[np.floating]],
        labels: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> "Clips":
        """Concatenate arrays ``(T_i, V, C)``; labels default to unknown and names to ``clip0000…``.

        Raises:
            UserError: no arrays, or one whose joints or coordinates differ from the first one's.
        """
        if not arrays:
            raise UserError("there are no clips; pass at least one array (frames, joints, coordinates).")
        names = [f"clip{i:04d}" for i in range(len(arrays))] if names is None else list(names)
        for name, array in zip(names, arrays, strict=True):
            if array.ndim != 3 or array.shape[1:] != arrays[0].shape[1:]:
                raise UserError(
                    f"clip {name} has shape {array.shape}; every clip must be (frames, joints, coordinates) "
                    f"with the joints and coordinates of {names[0]}, which has shape {arrays[0].shape}."
                )
        return cls(
            keypoints=np.concatenate([np.asarray(array, dtype=np.float32) for array in arrays]),
            offsets=np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int64),
            labels=np.full(len(arrays), UNKNOWN, np.int64) if labels is None else np.asarray(labels, np.int64),
            names=names,
            groups=None if groups is None else list(groups),
        )


def check_clips(clips: Clips, joints: Sequence[str], num_classes: int, where: str) -> None:
    """Refuse clips that cannot be trained or evaluated on.

    Args:
        clips: a split's clips.
        joints: the layout's joint names.
        num_classes: number of classes; labels must be below it.
        where: location named in the error, such as ``"data/ma52.h5, split train"``.

    Raises:
        UserError: the clips are unusable; the message names the clip and, if any, the frame and joint.
    """
    if len(clips) == 0:
        raise UserError(f"{where} has no clips; leave the split out or fill it.")
    if clips.keypoints.shape[1] != len(joints):
        raise UserError(
            f"{where} has {clips.keypoints.shape[1]} joints per frame, its layout {len(joints)}; "
            "give the layout it was recorded in."
        )
    if clips.keypoints.shape[2] not in (2, 3):
        raise UserError(f"{where} has {clips.keypoints.shape[2]} coordinates per joint; convert data with 2 or 3.")
    empty = np.flatnonzero(clips.lengths < 1)
    if len(empty):
        raise UserError(f"{where}: clip {clips.names[empty[0]]} has no frames; remove it or give it frames.")
    if len(set(clips.names)) != len(clips.names):
        seen: set[str] = set()
        double = next(name for name in clips.names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UserError(f"{where}: several clips are named {double}; give each a unique name.")
    if clips.groups is not None and not all(clips.groups):
        name = clips.names[clips.groups.index("")]
        raise UserError(f"{where}: clip {name} has no group but others do; give every clip one, or none.")
    wrong = np.flatnonzero((clips.labels < UNKNOWN) | (clips.labels >= num_classes))
    if len(wrong):
        raise UserError(
            f"{where}: clip {clips.names[wrong[0]]} has label {clips.labels[wrong[0]]}, outside 0…{num_classes - 1} "
            f"({UNKNOWN} = unknown); correct the label or the list of classes."
        )
    _check_finite(clips, joints, where)


def _check_finite(clips: Clips, joints: Sequence[str], where: str) -> None:
    bad, first = 0, None
    for start in range(0, len(clips.keypoints), _FRAMES_AT_ONCE):  # the file may be larger than memory
        block = clips.keypoints[start : start + _FRAMES_AT_ONCE]
        if block.min() >= -LARGEST and block.max() <= LARGEST:  # false if there is a NaN
            continue
        wrong = np.argwhere(~(np.abs(block) <= LARGEST).all(axis=2))
        bad += len(wrong)
        first = first or (start + int(wrong[0, 0]), int(wrong[0, 1]))
    if first is None:
        return
    frame, joint = first
    index = int(np.searchsorted(clips.offsets, frame, side="right")) - 1
    values = clips.keypoints[frame][joint]
    what, remedy = f"at {', '.join(f'{v:g}' for v in values)}, implausibly far", "convert the data set again"
    if not np.isfinite(values).all():
        what = "missing" if np.isnan(values).any() else "not a finite number"
        remedy = "fill such gaps with `mmn convert … --missing interpolate`, or leave such clips out"
    raise UserError(
        f"{where}: clip {clips.names[index]}, frame {frame - clips.offsets[index]}, joint {joint} ({joints[joint]}) is "
        f"{what} ({bad} of {len(clips.keypoints) * len(joints)} joints in all); {remedy}."
    )
