"""Access to the frames of a split, in memory or in the file."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mmn.data.format.clips import Clips
from mmn.data.pipeline.normalise import Box

FindBoxes = Callable[[Tensor, Tensor], Box]
"""Frames ``(ΣT, V, C)`` of clips of lengths ``(B,)`` → their boxes."""


class Store(Protocol):
    """Recorded frames and each clip's normalisation box."""

    def take(self, clips: Tensor, frames: Tensor) -> tuple[Tensor, Box]:
        """The frames ``(B, T)`` of the clips ``(B,)`` as ``(B, T, V, C)``, and the clips' boxes."""
        ...


def store_of(clips: Clips, find_boxes: FindBoxes, device: torch.device) -> Store:
    """The store for clips in memory or in their file."""
    return (MemoryStore if isinstance(clips.keypoints, np.ndarray) else FileStore)(clips, find_boxes, device)


class MemoryStore:
    """All frames on one device; on the CPU it shares the memory of ``clips``.

    Args:
        clips: a checked split.
        find_boxes: computes the box of each clip.
        device: device on which frames are kept.
    """

    def __init__(self, clips: Clips, find_boxes: FindBoxes, device: torch.device) -> None:
        self.frames = torch.from_numpy(np.asarray(clips.keypoints)).to(device)  # (ΣT, V, C)
        self.starts = torch.from_numpy(clips.offsets[:-1].copy()).to(device)
        self.boxes = find_boxes(self.frames, torch.from_numpy(clips.lengths).to(device))

    def take(self, clips: Tensor, frames: Tensor) -> tuple[Tensor, Box]:
        """See ``Store``."""
        rows = self.starts.index_select(0, clips).unsqueeze(1) + frames
        taken = self.frames.index_select(0, rows.view(-1)).view(*frames.shape, *self.frames.shape[1:])
        return taken, self.boxes.of(clips)


class FileStore:
    """Frames read from the file clip by clip: slower, but not limited by memory.

    Args:
        clips: a checked split whose keypoints are in a file.
        find_boxes: computes the box of each clip.
        device: device of the batches.
    """

    def __init__(self, clips: Clips, find_boxes: FindBoxes, device: torch.device) -> None:
        self.clips, self.find_boxes, self.device = clips, find_boxes, device

    def take(self, clips: Tensor, frames: Tensor) -> tuple[Tensor, Box]:
        """See ``Store``."""
        wanted, place = clips.cpu().unique(return_inverse=True)  # padding repeats a clip
        read = Clips.from_arrays([self.clips.clip(int(index)) for index in wanted])
        keypoints = torch.from_numpy(np.asarray(read.keypoints))
        starts = torch.from_numpy(read.offsets[:-1])[place]
        rows = starts.unsqueeze(1) + frames.cpu()
        taken = keypoints.index_select(0, rows.flatten()).unflatten(0, frames.shape)
        boxes = self.find_boxes(keypoints, torch.from_numpy(read.lengths)).of(place)
        return taken.to(self.device), Box(*(part.to(self.device) for part in boxes))
