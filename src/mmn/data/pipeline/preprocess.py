"""Preprocessing of clips to network input, a whole batch at a time."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Augmentation, Moments, Sample
from mmn.data.pipeline.augment_joints import DropStreams
from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality, Selection
from mmn.data.pipeline.normalise import Box, boxes, check_normalisation, moved
from mmn.data.pipeline.stores import Store, store_of
from mmn.errors import UserError

FRAMES_PURPOSE = 0  # of draws; augmentation's steps are counted from 1


@dataclass(frozen=True)
class Preprocessing:
    """All preprocessing of a clip; recorded in checkpoints.

    Attributes:
        modality: the modality of the network's input.
        num_frames: frames T per sample.
        normalisation: ``official``, ``aspect`` or ``person``; see ``boxes``.
        sampling: rule for sampling T frames.

    Raises:
        UserError: the number of frames or the normalisation is invalid.
    """

    modality: Modality
    num_frames: int = 64
    normalisation: str = "official"
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        check_normalisation(self.normalisation)
        if self.num_frames < 1:
            raise UserError(f"data.num_frames is {self.num_frames}; use 1 or more.")
        longest = max(self.modality.spans)
        if longest >= self.num_frames > 1 and any(stream.endswith("motion") for stream in self.modality.streams):
            raise UserError(
                f"modality.spans has {longest}, but clips have data.num_frames={self.num_frames}; use less than that."
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for checkpoints."""
        return {
            "modality": self.modality.as_dict(),
            "num_frames": self.num_frames,
            "normalisation": self.normalisation,
            "sampling": {"name": self.sampling.name, "strength": self.sampling.strength},
        }

    def as_options(self) -> dict[str, Any]:
        """Arguments of ``SkeletonDataModule``."""
        return {
            "modality": self.modality,
            "num_frames": self.num_frames,
            "normalisation": self.normalisation,
            "sampling": self.sampling.name,
            "sampling_strength": self.sampling.strength,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Preprocessing":
        """The inverse of ``as_dict``.

        Raises:
            UserError: a way to compute motion that no longer exists.
        """
        modality = dict(plain["modality"])
        if (motion := modality.pop("motion", "official")) != "official":
            raise UserError(f"the checkpoint was trained with modality.motion={motion}, which no longer exists.")
        parts = {"modality": Modality(**modality), "sampling": Sampling(**plain["sampling"])}
        return cls(**{**plain, **parts})


@dataclass(frozen=True)
class RandomDraws:
    """Random frames and augmentation, for training and for test-time views.

    Attributes:
        seed: seed of all draws.
        augmentation: augmentation of the sampled clips.
        random_frames: sample frames at random; False for the evaluation frames.
        classes: for labels that change with a clip (mirrored); None to keep labels, as for test-time views.
    """

    seed: int
    augmentation: Augmentation
    random_frames: bool = True
    classes: Classes | None = None


class ClipFetcher:
    """Fetches any clips of a split as one batch, without a loop over them.

    Args:
        clips: a checked split, in memory or in its file.
        layout: its skeleton.
        preprocessing: preprocessing of each clip.
        training: random frames and augmentation; None for evaluation.
        device: device on which clips are kept and batches made.
        store: the split's store, if it already exists; all fetchers of a split share it.
    """

    def __init__(
        self,
        clips: Clips,
        layout: Layout,
        preprocessing: Preprocessing,
        training: RandomDraws | None = None,
        device: torch.device | str = "cpu",
        store: Store | None = None,
    ) -> None:
        self.layout, self.preprocessing, self.training = layout, preprocessing, training
        self.device = torch.device(device)
        self.lengths = torch.from_numpy(clips.lengths).to(self.device)
        self.labels = torch.from_numpy(clips.labels).to(self.device)
        self._find_boxes = partial(boxes, centre=layout.centre, rule=preprocessing.normalisation)
        self.store = store or store_of(clips, self._find_boxes, self.device)
        augmentation = training.augmentation if training else Augmentation()
        dropped = any(isinstance(step, DropStreams) for step in augmentation.steps)
        if dropped and preprocessing.modality.shown is not None:
            raise UserError("DropStreams may leave only streams that modality.shown hides; leave one of them out.")
        self._augmentation = augmentation
        self._select = Selection(preprocessing.modality, layout, self.device)
        self._widths = preprocessing.modality.widths(clips.keypoints.shape[2], layout)
        mirrored = training.classes.mirrored if training and training.classes else None
        self._mirrored = None if mirrored is None else torch.tensor(mirrored, device=self.device)

    def __len__(self) -> int:
        return len(self.lengths)

    def fetch(self, indices: Tensor, epoch: int = 0, repeats: Tensor | None = None) -> Batch:
        """Batch of the clips ``indices (B,)``; −1 for padding.

        ``repeats (B,)``: how often each clip was shown before in the epoch, so that it is sampled differently.
        """
        indices = indices.to(self.device, non_blocking=True)  # does not wait for the step before
        real = indices.clamp(min=0)
        draws = self._draws(real, epoch, repeats)
        sample = self._sample(real, draws)
        labels = self.labels.index_select(0, real) if sample.labels is None else sample.labels
        batch = Batch(
            clips=sample.clips,
            times=sample.times,
            labels=labels.masked_fill(indices < 0, UNKNOWN),
            indices=indices,
        )
        if repeats is not None and repeats.any():
            batch = batch._replace(repeats=repeats)
        return batch

    def _draws(self, clips: Tensor, epoch: int, repeats: Tensor | None = None) -> Draws | None:
        """The random numbers of training clips."""
        if self.training is None:
            return None
        shown = clips if repeats is None else clips + len(self) * repeats.to(self.device, non_blocking=True)
        return Draws(self.training.seed, epoch, shown)

    def _sample(self, clips: Tensor, draws: Draws | None) -> Sample:
        """The preprocessed sample of ``clips (B,)``."""
        moments = self._moments(self.lengths.index_select(0, clips), draws)
        sample = self._joints(clips, moments, draws)
        shown = self._select(sample.clips, sample.lost)
        sample = sample._replace(clips=shown, widths=self._widths)
        return self._augmentation.apply("channels", sample, draws, self.layout) if draws else sample

    def _moments(self, lengths: Tensor, draws: Draws | None) -> Moments:
        """Sample frames of clips of ``lengths (B,)``, with their times."""
        sampling, count = self.preprocessing.sampling, self.preprocessing.num_frames
        if draws and self.training and self.training.random_frames:
            frames = sampling.training(lengths, count, draws, FRAMES_PURPOSE)
        else:
            frames = sampling.evaluation(lengths, count)
        moments = Moments(frames, lengths, torch.zeros_like(lengths, dtype=torch.bool))
        if draws and self._augmentation.has("time"):
            moments = self._augmentation.retime(moments, draws)
            if not sampling.interpolates:
                moments = moments._replace(frames=moments.frames.round())
        return moments

    def _joints(self, clips: Tensor, moments: Moments, draws: Draws | None) -> Sample:
        """Normalised and augmented joints."""
        low = moments.frames.floor().long()
        count, last = low.shape[1], (moments.lengths - 1).unsqueeze(1)
        if self.preprocessing.sampling.interpolates:
            low = torch.cat([low, torch.minimum(low + 1, last)], dim=1)  # (B, 2T): the frames before and after
        recorded, box = self.store.take(clips, low)
        labels = mirrored = None
        if self._mirrored is not None:
            labels = self.labels.index_select(0, clips)
            mirrored = self._mirrored[labels]
        sample = Sample(recorded, moments.times, low, labels, mirrored)
        between = (moments.frames - low[:, :count]).float()[:, :, None, None]
        augmented = draws is not None and self._augmentation.has("keypoints")
        if draws and augmented:
            sample = self._augmentation.apply("keypoints", sample, draws, self.layout)
        x = self._interpolated(sample.clips, between)
        if augmented:  # so that the augmented clip fills its box as the recorded one does
            box = moved(box, self._box_of(self._interpolated(recorded, between)), self._box_of(x))
        sample = sample._replace(clips=box.normalise(x), frames=low[:, :count])
        return self._augmentation.apply("joints", sample, draws, self.layout) if draws else sample

    def _interpolated(self, recorded: Tensor, between: Tensor) -> Tensor:
        """Clips ``(B, T, V, C)``; ``recorded`` has the frames before and after, if frames are interpolated."""
        if not self.preprocessing.sampling.interpolates:
            return recorded
        before, after = recorded.chunk(2, dim=1)
        return before + (after - before) * between

    def _box_of(self, clips: Tensor) -> Box:
        """The boxes of ``clips (B, T, V, C)`` as they are."""
        lengths = torch.full((len(clips),), clips.shape[1], device=clips.device)
        return self._find_boxes(clips.flatten(0, 1), lengths)
