"""Training-time augmentation of sampled clips, each clip with draws of its own, no loop over clips."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from mmn.data.draws import Draws
from mmn.errors import UserError


class Step(Protocol):
    """One augmentation: ``(clips (B, T, V, C), draws, purpose) → clips`` of the same shape, a new tensor."""

    def __call__(self, clips: Tensor, draws: Draws, purpose: int) -> Tensor: ...


class Augmentation:
    """Steps one after the other; without any, clips stay as they are.

    Args:
        steps: applied in order, after normalisation and frame sampling, before bones and motion are taken.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = list(steps)

    def __call__(self, clips: Tensor, draws: Draws) -> Tensor:
        """``clips (B, T, V, C)`` → augmented clips of the same shape."""
        for purpose, step in enumerate(self.steps, start=1):  # purpose 0 samples the frames
            clips = step(clips, draws, purpose)
        return clips


class ZeroAxis:
    """With probability ``p`` a clip loses one coordinate axis, chosen at random, everywhere."""

    def __init__(self, p: float) -> None:
        self.p = _probability(p)

    def __call__(self, clips: Tensor, draws: Draws, purpose: int) -> Tensor:
        chance, choice = draws.uniform(purpose, 2).unbind(1)
        axis = (choice * clips.shape[3]).long()
        hit = (chance < self.p).unsqueeze(1) & (torch.arange(clips.shape[3], device=clips.device) == axis.unsqueeze(1))
        return clips.masked_fill(hit[:, None, None, :], 0.0)


class ZeroFrames:
    """With probability ``p`` a clip loses a block of consecutive frames, ``shortest`` to ``longest`` of them."""

    def __init__(self, p: float, shortest: int = 4, longest: int = 16) -> None:
        self.p = _probability(p)
        self.shortest, self.longest = shortest, longest
        if not 1 <= shortest <= longest:
            raise UserError(f"ZeroFrames needs 1 ≤ shortest ≤ longest, and has {shortest} and {longest}.")

    def __call__(self, clips: Tensor, draws: Draws, purpose: int) -> Tensor:
        chance, size, place = draws.uniform(purpose, 3).unbind(1)
        frames = clips.shape[1]
        length = self.shortest + (size * (self.longest - self.shortest + 1)).long()
        length = length.clamp(max=frames)
        start = (place * (frames - length + 1)).long()
        frame = torch.arange(frames, device=clips.device)
        hit = (frame >= start.unsqueeze(1)) & (frame < (start + length).unsqueeze(1)) & (chance < self.p).unsqueeze(1)
        return clips.masked_fill(hit[:, :, None, None], 0.0)


def _probability(p: float) -> float:
    if not 0.0 <= p <= 1.0:
        raise UserError(f"an augmentation has probability p = {p}; it has to be between 0 and 1.")
    return p
