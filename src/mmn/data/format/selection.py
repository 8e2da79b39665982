"""Selecting clips and joints of a split, and concatenating splits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.lazy import Frames, LazyColumns, LazySpans


def take(clips: Clips, chosen: NDArray[np.int64]) -> Clips:
    """The clips ``chosen (M,)``, in that order; frames in a file stay there."""
    lengths = clips.lengths[chosen]
    starts = clips.offsets[:-1][chosen]

    def rows(frames: Any) -> Any:
        return None if frames is None else _rows([frames], np.zeros(len(chosen), np.int64), starts, lengths)

    return Clips(
        keypoints=rows(clips.keypoints),
        offsets=_offsets(lengths),
        labels=clips.labels[chosen],
        names=[clips.names[i] for i in chosen],
        filled=rows(clips.filled),
        groups=None if clips.groups is None else [clips.groups[i] for i in chosen],
    )


def join(parts: dict[str, Clips]) -> Clips:
    """The clips of several splits or data sets, concatenated.

    If two parts have a clip with the same name, the later clip is renamed to ``part/name``. If only some parts have
    groups, each clip of the others becomes its own group.

    Args:
        parts: name → clips; at least one.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    clips = list(parts.values())
    counts = [len(part) for part in clips]
    lengths = np.concatenate([part.lengths for part in clips])
    starts = np.concatenate([part.offsets[:-1] for part in clips])
    source = np.repeat(np.arange(len(clips)), counts)
    filled: list[Any] | None = None
    if any(part.filled is not None for part in clips):
        filled = [np.zeros(part.keypoints.shape[:2], bool) if part.filled is None else part.filled for part in clips]
    return Clips(
        keypoints=_rows([part.keypoints for part in clips], source, starts, lengths),
        offsets=_offsets(lengths),
        labels=np.concatenate([part.labels for part in clips]),
        names=_joined_names(parts),
        filled=None if filled is None else _rows(filled, source, starts, lengths),
        groups=_joined_groups(clips),
    )


def keep_joints(clips: Clips, joints: Sequence[int]) -> Clips:
    """The clips with only these joints, in this order."""

    def columns(frames: Any) -> Any:
        if frames is None:
            return None
        return (
            np.ascontiguousarray(frames[:, joints]) if isinstance(frames, np.ndarray) else LazyColumns(frames, joints)
        )

    return replace(clips, keypoints=columns(clips.keypoints), filled=columns(clips.filled))


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _rows(
    arrays: Sequence[Frames], source: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Any:
    """Spans of several arrays, concatenated: in memory if they all are, else lazy."""
    spans = LazySpans(arrays, source, starts, lengths)
    return np.asarray(spans) if all(isinstance(array, np.ndarray) for array in arrays) else spans


def _joined_names(parts: dict[str, Clips]) -> list[str]:
    names: list[str] = []
    seen: set[str] = set()
    for part, clips in parts.items():
        names += [f"{part}/{name}" if name in seen else name for name in clips.names]
        seen.update(clips.names)
    return names


def _joined_groups(clips: Sequence[Clips]) -> list[str] | None:
    if all(part.groups is None for part in clips):
        return None
    return [group for part in clips for group in (part.names if part.groups is None else part.groups)]
