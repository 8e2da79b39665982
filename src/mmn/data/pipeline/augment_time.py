"""Augmentations of time: reversal, speed changes and frame jitter."""

import torch

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Moments, Sample, probability
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.frames import KNOTS, warped


class ReverseTime:
    """With probability ``p``, reverse the clip; frame times are those of the reversed clip."""

    stage = "time"

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, moments: Moments, draws: Draws, purpose: int) -> Moments:
        hit = draws.uniform(purpose, 1) < self.p  # (B, 1)
        return moments._replace(
            frames=torch.where(hit, moments.frames.flip(1), moments.frames), backwards=moments.backwards ^ hit[:, 0]
        )


class JitterFrames:
    """With probability ``p``, vary the clip's speed smoothly over time, never backwards.

    Args:
        p: probability.
        strength: logarithm of the largest factor by which speed changes, before rescaling to the clip's length.
    """

    stage = "time"

    def __init__(self, p: float, strength: float = 0.5) -> None:
        self.p, self.strength = probability(p), strength

    def __call__(self, moments: Moments, draws: Draws, purpose: int) -> Moments:
        uniform = draws.uniform(purpose, 1 + KNOTS)
        last = (moments.lengths - 1).clamp(min=1).unsqueeze(1)
        frames = warped(moments.frames / last, uniform[:, 1:], self.strength) * last
        return moments._replace(frames=torch.where(uniform[:, :1] < self.p, frames, moments.frames))


class OfficialJitterFrames:
    """With probability ``p``, replace each frame by one up to ``reach`` frames away.

    This is the official code's jitter, which has no effect there. It reorders frames, so some motion runs backwards.
    """

    stage = "joints"

    def __init__(self, p: float, reach: int = 3) -> None:
        self.p, self.reach = probability(p), reach

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        frames = sample.clips.shape[1]
        uniform = draws.uniform(purpose, 1 + frames)
        offset = (uniform[:, 1:] * (2 * self.reach + 1)).long() - self.reach
        offset = offset * (uniform[:, :1] < self.p)
        source = (torch.arange(frames, device=offset.device) + offset).clamp(0, frames - 1)  # (B, T)
        clip = torch.arange(len(offset), device=offset.device).unsqueeze(1)
        return sample._replace(clips=sample.clips[clip, source])
