"""Augmentations of recorded coordinates: rotation, scale, shift, shear, proportions and noise."""

import math

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Sample, probability, where
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.normalise import body_sizes
from mmn.errors import UserError

AXES = ("view", "vertical", "any")


class RotateScaleShift:
    """With probability ``p``, rotate the clip about the body's centre, scale and shift it by uniform draws.

    Every normalisation removes overall size and position, so scale and shift have no effect after it; they are meant
    for networks with their own normalisation.

    Args:
        p: probability.
        degrees: largest rotation in either direction.
        scale: largest relative change of size in either direction.
        shift: largest shift along an axis in either direction, in body sizes.
        axis: rotation axis of 3D clips: ``view`` (z: in the image plane), ``vertical`` (y) or ``any`` (random).
    """

    stage = "keypoints"

    def __init__(
        self, p: float, degrees: float = 15.0, scale: float = 0.1, shift: float = 0.1, axis: str = "view"
    ) -> None:
        self.p, self.degrees, self.scale, self.shift, self.axis = probability(p), degrees, scale, shift, axis
        if axis not in AXES:
            raise UserError(f"RotateScaleShift has axis {axis!r}; choose one of {', '.join(AXES)}.")

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        clips = sample.clips
        coordinates = clips.shape[3]
        uniform = draws.uniform(purpose, 5 + coordinates)
        signed = 2.0 * uniform[:, 1:] - 1.0
        angle = signed[:, 0] * math.radians(self.degrees)
        turn = _turn_2d(angle) if coordinates == 2 else _turn_3d(angle, self._axes(uniform[:, 3:5], signed))
        turn = turn * (1.0 + self.scale * signed[:, 1])[:, None, None]
        shift = (self.shift * body_sizes(clips))[:, None] * signed[:, 4:]
        moved = about_centre(clips, turn) + shift[:, None, None]
        return sample._replace(clips=where(uniform[:, 0] < self.p, moved, clips))

    def _axes(self, uniform: Tensor, signed: Tensor) -> Tensor:
        """Unit vectors ``(B, 3)``; uniform on the sphere for ``any``."""
        if self.axis != "any":
            unit = torch.eye(3, device=uniform.device)[2 if self.axis == "view" else 1]
            return unit.expand(len(uniform), 3)
        height, around = signed[:, 2], 2 * math.pi * uniform[:, 1]
        radius = (1 - height.square()).sqrt()
        return torch.stack([radius * around.cos(), radius * around.sin(), height], dim=1)


class Shear:
    """With probability ``p``, shear the clip: add to each axis up to ``amount`` of every other, drawn uniformly."""

    stage = "keypoints"

    def __init__(self, p: float, amount: float = 0.2) -> None:
        self.p, self.amount = probability(p), amount

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        size = sample.clips.shape[3]
        uniform = draws.uniform(purpose, 1 + size * size)
        lean = self.amount * (2.0 * uniform[:, 1:] - 1.0).view(-1, size, size)
        unit = torch.eye(size, device=lean.device)
        moved = about_centre(sample.clips, unit + lean * (1 - unit))
        return sample._replace(clips=where(uniform[:, 0] < self.p, moved, sample.clips))


class ScaleBones:
    """With probability ``p``, change the proportions of the body: scale each bone by a factor of its own.

    Bones are those towards the layout's centre, which stays where it is. Left and right bones have the same factor.

    Args:
        p: probability.
        amount: largest relative change of a bone's length in either direction.
    """

    stage = "keypoints"

    def __init__(self, p: float, amount: float = 0.3) -> None:
        self.p, self.amount = probability(p), probability(amount)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        clips = sample.clips
        end, same = list(range(layout.num_joints)), list(range(layout.num_joints))
        between = torch.zeros(layout.num_joints, layout.num_joints)  # [v, u]: bone u is between the centre and joint v
        for joint, origin in layout.walk(layout.centre).items():
            end[joint] = origin
            between[joint] = between[origin]
            between[joint, joint] = float(joint != origin)
        for left, right in layout.flip_pairs:
            same[right] = left
        uniform = draws.uniform(purpose, 1 + layout.num_joints)
        change = self.amount * (2.0 * uniform[:, 1:] - 1.0)[:, same]  # (B, V)
        longer = (clips - clips[:, :, end]) * change[:, None, :, None]
        moved = clips + torch.einsum("vu,btuc->btvc", between.to(clips.device, non_blocking=True), longer)
        return sample._replace(clips=where(uniform[:, 0] < self.p, moved, clips))


class JointNoise:
    """With probability ``p``, add Gaussian noise to every joint of every frame, like a pose estimator's error.

    A frame that is sampled twice gets the same noise.

    Args:
        p: probability.
        size: standard deviation along each axis, in body sizes.
    """

    stage = "keypoints"

    def __init__(self, p: float, size: float = 0.01) -> None:
        self.p, self.size = probability(p), size

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        clips = sample.clips
        assert sample.frames is not None
        uniform = draws.uniform_per_frame(purpose, sample.frames, clips.shape[2] * clips.shape[3])
        normal = math.sqrt(2.0) * torch.erfinv(2.0 * uniform - 1.0 + 2.0**-24)  # never at −1
        off = normal.view_as(clips) * (self.size * body_sizes(clips))[:, None, None, None]
        return sample._replace(clips=where(draws.uniform(purpose, 1)[:, 0] < self.p, clips + off, clips))


def about_centre(clips: Tensor, matrix: Tensor) -> Tensor:
    """``clips (B, T, V, C)`` mapped by ``matrix (B, C, C)`` about the mean of their joints."""
    centre = clips.mean(dim=(1, 2), keepdim=True)
    return torch.einsum("bij,btvj->btvi", matrix, clips - centre) + centre


def _turn_2d(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], dim=1).view(-1, 2, 2)


def _turn_3d(angle: Tensor, axis: Tensor) -> Tensor:
    """Rodrigues' formula: ``(B, 3, 3)`` from angles ``(B,)`` about unit vectors ``(B, 3)``."""
    zero = torch.zeros_like(angle)
    x, y, z = axis.unbind(1)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    unit = torch.eye(3, device=angle.device)
    return unit + angle.sin()[:, None, None] * cross + (1 - angle.cos())[:, None, None] * (cross @ cross)
