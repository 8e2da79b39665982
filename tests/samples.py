"""Samples and fixed draws for tests of augmentations."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mmn.data.format.layout import load_layout
from mmn.data.pipeline.augment import Sample, Step
from mmn.data.pipeline.draws import Draws

CLIPS = 4000
"""Enough to estimate frequencies."""

LAYOUT = load_layout("jhmdb")


@dataclass(frozen=True)
class Given(Draws):
    """Fixed draws, the same for every purpose."""

    values: tuple[float, ...] = ()

    def uniform(self, purpose: int, count: int) -> Tensor:
        return torch.tensor(self.values[:count]).expand(len(self.clips), -1)


def given(*values: float, clips: int = 1) -> Given:
    return Given(1, 0, torch.arange(clips), values)


def drawn(count: int) -> Draws:
    return Draws(1, 0, torch.arange(count))


def sample_of(clips: Tensor, **fields) -> Sample:
    times = torch.linspace(-1, 1, clips.shape[1]).expand(len(clips), -1)
    frames = torch.arange(clips.shape[1]).expand(len(clips), -1)
    return Sample(clips, times, frames, **fields)


def apply(step: Step, clips: Tensor, draws: Draws | None = None) -> Tensor:
    return step(sample_of(clips), draws or drawn(len(clips)), 1, LAYOUT).clips
