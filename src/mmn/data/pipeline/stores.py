"""Where the frames of a split are kept while batches are taken from them: in memory, or in the file."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmn.data.format.clips import Clips

Pose = Callable[[Tensor], Tensor]
"""Normalised frames ``(F, V, C)`` → what is kept of them, same shape."""


def normalise(clips: Clips, centre: int) -> NDArray[np.float32]:
    """Keypoints ``(ΣT, V, C)`` with each clip moved and scaled on its own.

    The centre joint of the first frame becomes the origin; then every axis is brought to [-1, 1) by its extremes
    over all frames and joints of the clip. A constant axis becomes −1.
    """
    keypoints = np.asarray(clips.keypoints)
    starts, lengths = clips.offsets[:-1], clips.lengths
    x = keypoints - np.repeat(keypoints[starts, centre], lengths, axis=0)[:, None]
    low = np.minimum.reduceat(x.min(axis=1), starts)  # (N, C)
    high = np.maximum.reduceat(x.max(axis=1), starts)
    x -= np.repeat(low, lengths, axis=0)[:, None]
    x /= np.repeat(high - low + np.float32(1e-6), lengths, axis=0)[:, None]
    x *= 2
    x -= 1
    return x


class MemoryStore:
    """All frames, normalised once, on one device.

    Args:
        clips: a checked split.
        centre: the layout's centre joint.
        pose: applied once to all frames.
        device: where they are kept.
    """

    def __init__(self, clips: Clips, centre: int, pose: Pose, device: torch.device) -> None:
        self.frames = pose(torch.from_numpy(normalise(clips, centre))).to(device)  # (ΣT, V, C)
        self.starts = torch.from_numpy(clips.offsets[:-1].copy()).to(device)

    def take(self, clips: Tensor, frames: Tensor) -> Tensor:
        """``(B, T, V, C)`` of the frames ``(B, T)`` of the clips ``(B,)``."""
        rows = self.starts.index_select(0, clips).unsqueeze(1) + frames
        return self.frames.index_select(0, rows.view(-1)).view(*frames.shape, *self.frames.shape[1:])


class FileStore:
    """Frames read from the file clip by clip, normalised each time: slower, and as large as the disk.

    Args:
        clips: a checked split whose keypoints lie in a file.
        centre: the layout's centre joint.
        pose: applied to the frames of each batch.
        device: where batches are put.
    """

    def __init__(self, clips: Clips, centre: int, pose: Pose, device: torch.device) -> None:
        self.clips, self.centre, self.pose, self.device = clips, centre, pose, device

    def take(self, clips: Tensor, frames: Tensor) -> Tensor:
        """``(B, T, V, C)`` of the frames ``(B, T)`` of the clips ``(B,)``."""
        wanted, place = clips.cpu().unique(return_inverse=True)  # fillers repeat a clip
        read = Clips.from_arrays([self.clips.clip(int(index)) for index in wanted])
        starts = torch.from_numpy(read.offsets[:-1])[place]
        rows = starts.unsqueeze(1) + frames.cpu()
        taken = torch.from_numpy(normalise(read, self.centre)).index_select(0, rows.flatten())
        return self.pose(taken).unflatten(0, frames.shape).to(self.device)
