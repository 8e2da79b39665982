"""Augmentation of training clips, drawn per clip and vectorised over the batch: protocols and the official two steps.

Each step declares the ``stage`` at which it acts:

* ``time``: on the choice of frames and their times (``Moments``), before any frame is read;
* ``keypoints``: on recorded coordinates, before normalisation;
* ``joints``: on normalised joints in the layout's order, before bones and motion are taken; the default;
* ``channels``: on the network's input, joints in network order.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.frames import frame_times
from mmn.errors import UserError

STAGES = ("time", "keypoints", "joints", "channels")


class Moments(NamedTuple):
    """Frames ``(B, T)`` float64 of clips of ``lengths (B,)``, and which clips run ``backwards (B,)``."""

    frames: Tensor
    lengths: Tensor
    backwards: Tensor

    @property
    def times(self) -> Tensor:
        """Frame times ``(B, T)`` in the clip's current direction, float32 in [-1, 1]."""
        reversed_frames = (self.lengths - 1).unsqueeze(1) - self.frames
        return frame_times(torch.where(self.backwards.unsqueeze(1), reversed_frames, self.frames), self.lengths)


class Sample(NamedTuple):
    """Sampled clips on their way to the network.

    Attributes:
        clips: ``(B, T, V, C)``.
        times: ``(B, T)`` frame times.
        frames: ``(B, T)`` int64, the clips' own frames.
        labels: ``(B,)`` class indices; None if labels are not needed.
        mirrored: ``(B,)`` the class of the mirrored clip, −1 if it must not be mirrored; None along with ``labels``.
        lost: ``(B, V)`` joints to hide; None for none.
        widths: channels of each stream.
    """

    clips: Tensor
    times: Tensor
    frames: Tensor | None = None
    labels: Tensor | None = None
    mirrored: Tensor | None = None
    lost: Tensor | None = None
    widths: tuple[int, ...] = ()


class TimeStep(Protocol):
    """An augmentation of stage ``time``."""

    def __call__(self, moments: Moments, draws: Draws, purpose: int) -> Moments: ...


class Step(Protocol):
    """An augmentation of any other stage; draws for different purposes are independent, and inputs are not modified."""

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample: ...


class Augmentation:
    """Steps applied in order within each stage; without steps, clips are unchanged.

    Args:
        steps: steps in order.
    """

    def __init__(self, steps: Sequence[Any] = ()) -> None:
        self.steps = list(steps)
        for step in self.steps:
            if (stage := getattr(step, "stage", "joints")) not in STAGES:
                raise UserError(f"{type(step).__name__} has stage {stage!r}; set it to one of {', '.join(STAGES)}.")

    def at(self, stage: str) -> Iterator[tuple[int, Any]]:
        """The steps of a stage, each with the purpose of its draws."""
        for purpose, step in enumerate(self.steps, start=1):  # purpose 0 samples the frames
            if getattr(step, "stage", "joints") == stage:
                yield purpose, step

    def has(self, stage: str) -> bool:
        """Whether there are steps of a stage."""
        return any(True for _ in self.at(stage))

    def retime(self, moments: Moments, draws: Draws) -> Moments:
        """Apply the steps of stage ``time``."""
        for purpose, step in self.at("time"):
            moments = step(moments, draws, purpose)
        return moments

    def apply(self, stage: str, sample: Sample, draws: Draws, layout: Layout) -> Sample:
        """Apply the steps of another stage."""
        for purpose, step in self.at(stage):
            sample = step(sample, draws, purpose, layout)
        return sample


class ZeroAxis:
    """With probability ``p``, zero one randomly chosen coordinate axis of the whole clip."""

    stage = "joints"

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        batch, _, joints, axes = sample.clips.shape
        chance, choice = draws.uniform(purpose, 2).unbind(1)
        axis = (choice * axes).long().masked_fill(chance >= self.p, -1)
        # One long row per frame: multiplying two numbers at a time would be ten times slower.
        number = torch.arange(axes, device=axis.device).repeat(joints)  # (V·C,)
        keep = (number != axis.view(batch, 1, 1)).to(sample.clips.dtype)
        return sample._replace(clips=(sample.clips.flatten(2) * keep).view_as(sample.clips))


class ZeroFrames:
    """With probability ``p``, zero a block of consecutive frames.

    Args:
        p: probability.
        shortest: minimum block length, in frames.
        longest: maximum block length.
        share: maximum block length as a share of the sampled frames; 1 as in the official code.
        after_motion: zero frames after motion is computed, so that the edges of the block add no motion; False zeroes
            them before, as in the official code.
    """

    def __init__(
        self, p: float, shortest: int = 4, longest: int = 16, share: float = 1.0, after_motion: bool = False
    ) -> None:
        self.p, self.share = probability(p), probability(share)
        self.shortest, self.longest = shortest, longest
        self.stage = "channels" if after_motion else "joints"
        if not 1 <= shortest <= longest:
            raise UserError(f"ZeroFrames needs 1 ≤ shortest ≤ longest, got {shortest} and {longest}.")

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        frames = sample.clips.shape[1]
        chance, size, place = draws.uniform(purpose, 3).unbind(1)
        most = int(frames * self.share)
        length = (self.shortest + size * (self.longest - self.shortest + 1)).long().clamp(max=most)
        start = (place * (frames - length + 1)).long()
        length = length.masked_fill(chance >= self.p, 0)
        offset = torch.arange(frames, device=length.device) - start.unsqueeze(1)  # (B, T)
        keep = (offset < 0) | (offset >= length.unsqueeze(1))
        return sample._replace(clips=sample.clips * keep.to(sample.clips.dtype)[:, :, None, None])


def probability(p: float) -> float:
    """Return ``p`` if it is a valid probability.

    Raises:
        UserError: ``p`` is not between 0 and 1.
    """
    if not 0.0 <= p <= 1.0:
        raise UserError(f"an augmentation has a probability or share of {p}; use a value between 0 and 1.")
    return p


def where(hit: Tensor, changed: Tensor, clips: Tensor) -> Tensor:
    """``changed`` for the clips that are ``hit (B,)``, else ``clips``."""
    return torch.where(hit[:, None, None, None], changed, clips)
