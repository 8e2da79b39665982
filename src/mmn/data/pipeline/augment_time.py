"""Augmentations of when things happen: backwards, or out of step by a few frames."""

import torch

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Sample, probability
from mmn.data.pipeline.draws import Draws


class ReverseTime:
    """With probability ``p`` a clip runs backwards, its frame times mirrored with it."""

    needs_joints = False

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        hit = draws.uniform(purpose, 1) < self.p  # (B, 1)
        return Sample(
            clips=torch.where(hit[:, :, None, None], sample.clips.flip(1), sample.clips),
            times=torch.where(hit, -sample.times.flip(1), sample.times),
        )


class JitterFrames:
    """With probability ``p`` each frame of a clip shows what another one up to ``reach`` frames away showed."""

    needs_joints = False

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
