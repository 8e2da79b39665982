"""From clips in memory to batches the network takes: the official preprocessing, whole batches at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmn.data.format.clips import UNKNOWN, Clips, check_clips
from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline.augment import Augmentation, Sample
from mmn.data.pipeline.draws import EpochDraws
from mmn.data.pipeline.frames import evaluation_frames, frame_times, training_frames
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.stores import FileStore, MemoryStore


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


@dataclass(frozen=True)
class Training:
    """What makes fetching random: the seed, the augmentation, and whether frames are drawn or evenly spaced."""

    seed: int
    augmentation: Augmentation
    random_frames: bool = True


class ClipFetcher:
    """Fetches any clips of a split as one batch, without a loop over them.

    Args:
        clips: a checked split, in memory or in its file.
        layout: its skeleton.
        modality: what to show of it.
        num_frames: frames T of a sample.
        training: random frames and augmentation; None for the evaluation path.
        device: where clips are kept and batches made.
    """

    def __init__(
        self,
        clips: Clips,
        layout: Layout,
        modality: Modality,
        num_frames: int,
        training: Training | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.layout, self.modality, self.num_frames, self.training = layout, modality, num_frames, training
        self.device = torch.device(device)
        self.lengths = torch.from_numpy(clips.lengths).to(self.device)
        self.labels = torch.from_numpy(clips.labels).to(self.device)
        # Bones are taken from all frames once where no augmentation has to come before them.
        self.poses_late = training is not None and training.augmentation.needs_joints
        pose = (lambda frames: frames) if self.poses_late else (lambda frames: modality.pose(frames, layout))
        store = MemoryStore if isinstance(clips.keypoints, np.ndarray) else FileStore
        self.store = store(clips, layout.centre, pose, self.device)
        self.draws = EpochDraws(training.seed, len(clips), self.device) if training else None

    def __len__(self) -> int:
        return len(self.lengths)

    def fetch(self, indices: Tensor, epoch: int = 0) -> Batch:
        """Batch of the clips ``indices (B,)``; −1 asks for a filler."""
        indices = indices.to(self.device)
        real = indices.clamp(min=0)
        lengths = self.lengths.index_select(0, real)
        draws = self.draws.of(epoch, real) if self.draws else None
        if draws and self.training and self.training.random_frames:
            frames = training_frames(lengths, draws.uniform(0, self.num_frames))
        else:
            frames = evaluation_frames(lengths, self.num_frames)
        sample = Sample(clips=self.store.take(real, frames), times=frame_times(frames, lengths))
        if self.training and draws:
            sample = self.training.augmentation(sample, draws, self.layout)
        clips = self.modality.pose(sample.clips, self.layout) if self.poses_late else sample.clips
        return Batch(
            clips=self.modality.move(clips),
            times=sample.times,
            labels=self.labels.index_select(0, real).masked_fill(indices < 0, UNKNOWN),
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
