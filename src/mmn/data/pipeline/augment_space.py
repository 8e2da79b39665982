"""Augmentations of where the joints are: turned, scaled and shifted, mirrored, or lost."""

import math

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Sample, probability
from mmn.data.pipeline.draws import Draws


class RotateScaleShift:
    """With probability ``p`` a clip is turned in the image plane, scaled and shifted, each by a uniform draw.

    Args:
        p: probability.
        degrees: largest turn either way.
        scale: largest relative change of size either way.
        shift: largest shift of an axis either way; a clip spans [-1, 1].
    """

    needs_joints = True

    def __init__(self, p: float, degrees: float = 15.0, scale: float = 0.1, shift: float = 0.1) -> None:
        self.p, self.degrees, self.scale, self.shift = probability(p), degrees, scale, shift

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        clips = sample.clips
        uniform = draws.uniform(purpose, 3 + clips.shape[3])
        signed = 2.0 * uniform[:, 1:] - 1.0
        angle = signed[:, 0] * math.radians(self.degrees)
        matrix = torch.eye(clips.shape[3], device=clips.device).repeat(len(clips), 1, 1)  # (B, C, C)
        matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
        matrix[:, 0, 1], matrix[:, 1, 0] = -angle.sin(), angle.sin()
        matrix = matrix * (1.0 + self.scale * signed[:, 1])[:, None, None]
        moved = torch.einsum("bij,btvj->btvi", matrix, clips) + self.shift * signed[:, None, None, 2:]
        return sample._replace(clips=_where(uniform[:, 0] < self.p, moved, clips))


class Mirror:
    """With probability ``p`` a clip is mirrored left to right and the layout's left and right joints swap places."""

    needs_joints = True

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        swapped = list(range(layout.num_joints))
        for left, right in layout.flip_pairs:
            swapped[left], swapped[right] = right, left
        mirrored = sample.clips[:, :, swapped].clone()
        mirrored[..., 0].neg_()
        return sample._replace(clips=_where(draws.uniform(purpose, 1)[:, 0] < self.p, mirrored, sample.clips))


class DropJoints:
    """With probability ``p`` a clip loses each of its joints, in all frames, with probability ``share``."""

    needs_joints = True

    def __init__(self, p: float, share: float = 0.1) -> None:
        self.p, self.share = probability(p), probability(share)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        uniform = draws.uniform(purpose, 1 + layout.num_joints)
        lost = (uniform[:, :1] < self.p) & (uniform[:, 1:] < self.share)  # (B, V)
        return sample._replace(clips=sample.clips.masked_fill(lost[:, None, :, None], 0.0))


def _where(hit: Tensor, changed: Tensor, clips: Tensor) -> Tensor:
    return torch.where(hit[:, None, None, None], changed, clips)
