"""A custom augmentation, vectorised over the batch."""

import torch

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Sample
from mmn.data.pipeline.draws import Draws


class Flicker:
    """With probability ``p`` scale each frame of the clip by up to ``size`` in either direction.

    Random numbers come from ``draws``, which depend only on clip, epoch and step, so that a resumed run repeats them.
    """

    def __init__(self, p: float = 0.5, size: float = 0.05) -> None:
        self.p, self.size = p, size

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        uniform = draws.uniform(purpose, 1 + sample.clips.shape[1])  # (B, 1 + T)
        change = 1 + self.size * (2 * uniform[:, 1:] - 1)
        change = torch.where(uniform[:, :1] < self.p, change, 1.0)
        return sample._replace(clips=sample.clips * change[:, :, None, None])
