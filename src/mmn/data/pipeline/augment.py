"""Augmentation of training clips, each with draws of its own, no loop over clips: what steps are, the official two.

A step says at which ``stage`` it acts:

* ``time``: on which frames are shown and when they are (``Moments``), before any is fetched;
* ``keypoints``: on coordinates as they were recorded, whose box is found afterwards;
* ``joints``: on normalised joints in the layout's order, before bones and motion are taken; the default;
* ``channels``: on what the network sees, joints in network order.
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
        """Frame times ``(B, T)`` in the clip as it runs now, float32 in [-1, 1]."""
        reversed_frames = (self.lengths - 1).unsqueeze(1) - self.frames
        return frame_times(torch.where(self.backwards.unsqueeze(1), reversed_frames, self.frames), self.lengths)


class Sample(NamedTuple):
    """Sampled clips on their way to the network.

    Attributes:
        clips: ``(B, T, V, C)``.
        times: ``(B, T)`` frame times.
        frames: ``(B, T)`` int64, the clips' own frames.
        labels: ``(B,)`` classes; None where they are of no concern.
        mirrored: ``(B,)`` the class of the mirrored clip, −1 where it must not be mirrored; None like ``labels``.
        lost: ``(B, V)`` joints that are not seen; None for none.
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
    """An augmentation of any other stage; draws for different purposes are independent, and the input is left alone."""

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample: ...


class Augmentation:
    """Steps one after the other within each stage; without any, clips stay as they are.

    Args:
        steps: in order.
        mix: exchanges body parts between clips, after all steps; see ``MixParts``.
    """

    def __init__(self, steps: Sequence[Any] = (), mix: Any = None) -> None:
        self.steps, self.mix = list(steps), mix
        for step in self.steps:
            if (stage := getattr(step, "stage", "joints")) not in STAGES:
                raise UserError(f"{type(step).__name__} has stage {stage!r}; it is one of {', '.join(STAGES)}.")

    def at(self, stage: str) -> Iterator[tuple[int, Any]]:
        """The steps of a stage, each with its purpose."""
        for purpose, step in enumerate(self.steps, start=1):  # purpose 0 samples the frames
            if getattr(step, "stage", "joints") == stage:
                yield purpose, step

    def has(self, stage: str) -> bool:
        """Whether there are steps of a stage."""
        return any(True for _ in self.at(stage))

    def retime(self, moments: Moments, draws: Draws) -> Moments:
        """What the steps of stage ``time`` make of it."""
        for purpose, step in self.at("time"):
            moments = step(moments, draws, purpose)
        return moments

    def apply(self, stage: str, sample: Sample, draws: Draws, layout: Layout) -> Sample:
        """What the steps of another stage make of it."""
        for purpose, step in self.at(stage):
            sample = step(sample, draws, purpose, layout)
        return sample


class ZeroAxis:
    """With probability ``p`` a clip loses one coordinate axis, chosen at random, everywhere."""

    stage = "joints"

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        batch, _, joints, axes = sample.clips.shape
        chance, choice = draws.uniform(purpose, 2).unbind(1)
        axis = (choice * axes).long().masked_fill(chance >= self.p, -1)
        # One long row a frame: multiplying two numbers at a time would cost ten times as much.
        number = torch.arange(axes, device=axis.device).repeat(joints)  # (V·C,)
        keep = (number != axis.view(batch, 1, 1)).to(sample.clips.dtype)
        return sample._replace(clips=(sample.clips.flatten(2) * keep).view_as(sample.clips))


class ZeroFrames:
    """With probability ``p`` a clip loses a block of consecutive frames.

    Args:
        p: probability.
        shortest: frames of the shortest block.
        longest: of the longest.
        share: of the sampled frames that a block has at most; 1 as in the official code.
        after_motion: lose them after motion is taken, where no jump to the block and back shows in it; before, as in
            the official code.
    """

    def __init__(
        self, p: float, shortest: int = 4, longest: int = 16, share: float = 1.0, after_motion: bool = False
    ) -> None:
        self.p, self.share = probability(p), probability(share)
        self.shortest, self.longest = shortest, longest
        self.stage = "channels" if after_motion else "joints"
        if not 1 <= shortest <= longest:
            raise UserError(f"ZeroFrames needs 1 ≤ shortest ≤ longest, and has {shortest} and {longest}.")

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
    """``p``, checked.

    Raises:
        UserError: outside 0…1.
    """
    if not 0.0 <= p <= 1.0:
        raise UserError(f"an augmentation has a probability or share of {p}; it has to be between 0 and 1.")
    return p


def where(hit: Tensor, changed: Tensor, clips: Tensor) -> Tensor:
    """``changed`` for the clips that are ``hit (B,)``, else ``clips``."""
    return torch.where(hit[:, None, None, None], changed, clips)
