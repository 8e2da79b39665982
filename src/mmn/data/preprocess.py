"""From clips in memory to batches the network takes: the official preprocessing, whole batches at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmn.data.augment import Augmentation, Sample
from mmn.data.clips import UNKNOWN, Clips, check_clips
from mmn.data.draws import Draws
from mmn.data.frames import evaluation_frames, frame_times, training_frames
from mmn.data.layout import Layout, load_layout
from mmn.data.modality import Modality


class Batch(NamedTuple):
    """What the network is fed.

    Attributes:
        clips: ``(B, T, V, C)`` float32, joints in network order.
        times: ``(B, T)`` float32 frame times in [-1, 1].
        labels: ``(B,)`` int64, −1 = unknown.
        indices: ``(B,)`` int64, the clip's place in its split; −1 marks a filler that no figure may count.
    """

    clips: Tensor
    times: Tensor
    labels: Tensor
    indices: Tensor


def normalise(clips: Clips, centre: int) -> NDArray[np.float32]:
    """Keypoints ``(ΣT, V, C)`` with each clip moved and scaled on its own.

    The centre joint of the first frame becomes the origin; then every axis is brought to [-1, 1) by its extremes
    over all frames and joints of the clip. A constant axis becomes −1.
    """
    starts, lengths = clips.offsets[:-1], clips.lengths
    x = clips.keypoints - np.repeat(clips.keypoints[starts, centre], lengths, axis=0)[:, None]
    low = np.minimum.reduceat(x.min(axis=1), starts)  # (N, C)
    high = np.maximum.reduceat(x.max(axis=1), starts)
    x -= np.repeat(low, lengths, axis=0)[:, None]
    x /= np.repeat(high - low + np.float32(1e-6), lengths, axis=0)[:, None]
    x *= 2
    x -= 1
    return x


@dataclass(frozen=True)
class Training:
    """What makes fetching random: the seed and the augmentation."""

    seed: int
    augmentation: Augmentation


class ClipFetcher:
    """Fetches any clips of a split as one batch, without a loop over them.

    Args:
        clips: a checked split.
        layout: its skeleton.
        modality: what to show of it.
        num_frames: frames T of a sample.
        training: random frames and augmentation; None for the evaluation path.
    """

    def __init__(
        self, clips: Clips, layout: Layout, modality: Modality, num_frames: int, training: Training | None = None
    ) -> None:
        self.layout, self.modality, self.num_frames, self.training = layout, modality, num_frames, training
        self.keypoints = torch.from_numpy(normalise(clips, layout.centre))  # (ΣT, V, C)
        self.starts = torch.from_numpy(clips.offsets[:-1].copy())
        self.lengths = torch.from_numpy(clips.lengths)
        self.labels = torch.from_numpy(clips.labels)

    def __len__(self) -> int:
        return len(self.lengths)

    def fetch(self, indices: Tensor, epoch: int = 0) -> Batch:
        """Batch of the clips ``indices (B,)``; −1 asks for a filler."""
        real = indices.clamp(min=0)
        lengths = self.lengths[real]
        draws = Draws(self.training.seed, epoch, real) if self.training else None
        if draws:
            frames = training_frames(lengths, draws.uniform(0, self.num_frames))
        else:
            frames = evaluation_frames(lengths, self.num_frames)
        sample = Sample(
            clips=self.keypoints[self.starts[real].unsqueeze(1) + frames],  # (B, T, V, C)
            times=frame_times(frames, lengths),
        )
        if self.training and draws:
            sample = self.training.augmentation(sample, draws, self.layout)
        return Batch(
            clips=self.modality.select(sample.clips, self.layout),
            times=sample.times,
            labels=self.labels[real].masked_fill(indices < 0, UNKNOWN),
            indices=indices,
        )


def prepare(
    clips: Sequence[NDArray[np.floating]],
    layout: str | Path | Layout = "ma52",
    modality: str = "joint",
    num_frames: int = 64,
    bone_rule: str = "official",
) -> tuple[Tensor, Tensor]:
    """The evaluation preprocessing of any clips.

    Args:
        clips: arrays ``(T_i, V, C)``, joints in the layout's order, in any unit.
        layout: ``ma52``, ``imigue``, ``jhmdb``, a YAML file, or a ``Layout``.
        modality: ``joint``, ``bone``, ``joint_motion`` or ``bone_motion``.
        num_frames: frames T sampled from each clip.
        bone_rule: ``official`` or ``tree``, for the bone modalities.

    Returns:
        ``clips (B, T, V, C)`` in network order and frame times ``(B, T)``, both float32.

    Raises:
        UserError: arrays that are no clips of this layout, or hold values that are not finite.
    """
    skeleton = layout if isinstance(layout, Layout) else load_layout(layout)
    packed = Clips.from_arrays(clips)
    check_clips(packed, skeleton.joints, 1, "the clips to prepare")
    batch = ClipFetcher(packed, skeleton, Modality(modality, bone_rule), num_frames).fetch(torch.arange(len(packed)))
    return batch.clips, batch.times
