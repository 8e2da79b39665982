"""Training-time augmentation of sampled clips, each clip with draws of its own, no loop over clips."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.data.pipeline.draws import Draws
from mmn.errors import UserError


class Sample(NamedTuple):
    """Sampled clips ``(B, T, V, C)`` in [-1, 1], joints in the layout's order, and their frame times ``(B, T)``."""

    clips: Tensor
    times: Tensor


class Step(Protocol):
    """One augmentation; draws for different purposes are independent, and the input is left as it is.

    Attributes:
        needs_joints: it tells joints apart or moves them, so that it has to come before bones are taken; one that
            treats all joints of a frame alike may come after. True where a step does not say.
    """

    needs_joints: bool

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample: ...


class Augmentation:
    """Steps one after the other; without any, clips stay as they are.

    Args:
        steps: applied in order, after normalisation and frame sampling, before bones and motion are taken.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = list(steps)
        self.needs_joints = any(getattr(step, "needs_joints", True) for step in self.steps)

    def __call__(self, sample: Sample, draws: Draws, layout: Layout) -> Sample:
        """Augment a batch of samples."""
        for purpose, step in enumerate(self.steps, start=1):  # purpose 0 samples the frames
            sample = step(sample, draws, purpose, layout)
        return sample


class ZeroAxis:
    """With probability ``p`` a clip loses one coordinate axis, chosen at random, everywhere."""

    needs_joints = False

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
    """With probability ``p`` a clip loses a block of consecutive frames, ``shortest`` to ``longest`` of them."""

    needs_joints = False

    def __init__(self, p: float, shortest: int = 4, longest: int = 16) -> None:
        self.p = probability(p)
        self.shortest, self.longest = shortest, longest
        if not 1 <= shortest <= longest:
            raise UserError(f"ZeroFrames needs 1 ≤ shortest ≤ longest, and has {shortest} and {longest}.")

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        frames = sample.clips.shape[1]
        chance, size, place = draws.uniform(purpose, 3).unbind(1)
        length = (self.shortest + size * (self.longest - self.shortest + 1)).long().clamp(max=frames)
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
        raise UserError(f"an augmentation has probability p = {p}; it has to be between 0 and 1.")
    return p
