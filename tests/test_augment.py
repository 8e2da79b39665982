"""Augmentations: how often, how much, and nothing else changed."""

import math

import pytest
import torch

from mmn.data.format.layout import load_layout
from mmn.data.pipeline.augment import Augmentation, Sample, Step, ZeroAxis, ZeroFrames
from mmn.data.pipeline.augment_space import DropJoints, Mirror, RotateScaleShift
from mmn.data.pipeline.augment_time import JitterFrames, ReverseTime
from mmn.data.pipeline.draws import Draws
from mmn.errors import UserError

CLIPS = 4000
LAYOUT = load_layout("jhmdb")


def apply(step: Step, clips: torch.Tensor) -> torch.Tensor:
    return apply_both(step, clips).clips


def apply_both(step: Step, clips: torch.Tensor) -> Sample:
    times = torch.linspace(-1, 1, clips.shape[1]).expand(len(clips), -1)
    return step(Sample(clips, times), Draws(1, 0, torch.arange(len(clips))), 1, LAYOUT)


def random_clips(count: int = 50, coordinates: int = 2) -> torch.Tensor:
    return torch.rand(count, 16, 15, coordinates) * 2 - 1


def test_zero_axis_zeroes_one_axis_of_a_share_of_the_clips() -> None:
    zeroed = apply(ZeroAxis(0.2), torch.ones(CLIPS, 8, 3, 2)) == 0
    per_axis = zeroed.flatten(1, 2).float().mean(dim=1)  # (B, axes)
    assert set(per_axis.flatten().tolist()) == {0.0, 1.0}
    assert per_axis.sum(dim=1).max() == 1
    assert per_axis.sum(dim=1).mean().item() == pytest.approx(0.2, abs=0.03)
    assert per_axis[:, 0].mean().item() == pytest.approx(0.1, abs=0.03)


def test_zero_frames_zeroes_one_block_of_4_to_16_frames() -> None:
    zeroed = (apply(ZeroFrames(0.2), torch.ones(CLIPS, 64, 3, 2)) == 0).all(dim=(2, 3))  # (B, T)
    lengths = zeroed.sum(dim=1)
    assert (lengths > 0).float().mean().item() == pytest.approx(0.2, abs=0.03)
    assert set(lengths.tolist()) == {0, *range(4, 17)}
    starts = (zeroed[:, 1:] & ~zeroed[:, :-1]).sum(dim=1) + zeroed[:, 0]
    assert starts.max() == 1


@pytest.mark.parametrize("coordinates", [2, 3])
def test_rotate_scale_shift_keeps_the_skeletons_shape(coordinates: int) -> None:
    clips = random_clips(500, coordinates)
    moved = apply(RotateScaleShift(1.0, degrees=15, scale=0.1, shift=0.1), clips)
    bone, moved_bone = clips[:, :, 0] - clips[:, :, 1], moved[:, :, 0] - moved[:, :, 1]
    ratio = (moved_bone.norm(dim=-1) / bone.norm(dim=-1)).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=1e-3, rtol=1e-3)  # one scale a clip
    assert ratio.min() > 0.899
    assert ratio.max() < 1.101
    flat, moved_flat = bone[..., :2], moved_bone[..., :2]
    angle = torch.atan2(
        flat[..., 0] * moved_flat[..., 1] - flat[..., 1] * moved_flat[..., 0], (flat * moved_flat).sum(dim=-1)
    )
    assert angle.abs().max() < math.radians(15.1)
    assert angle.abs().max() > math.radians(13)


def test_mirror_swaps_left_and_right_and_twice_is_nothing() -> None:
    clips = random_clips()
    mirrored = apply(Mirror(1.0), clips)
    left, right = LAYOUT.flip_pairs[0]
    torch.testing.assert_close(mirrored[:, :, left, 0], -clips[:, :, right, 0])
    torch.testing.assert_close(mirrored[:, :, left, 1], clips[:, :, right, 1])
    torch.testing.assert_close(apply(Mirror(1.0), mirrored), clips)


def test_drop_joints_loses_a_share_of_the_joints_in_all_frames() -> None:
    lost = apply(DropJoints(0.5, share=0.2), torch.ones(CLIPS, 4, 15, 2)) == 0
    assert (lost.all(dim=(1, 3)) == lost.any(dim=1).any(dim=2)).all()
    assert lost.float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_reversed_clips_run_backwards_with_their_times() -> None:
    clips = random_clips()
    sample = apply_both(ReverseTime(1.0), clips)
    torch.testing.assert_close(sample.clips, clips.flip(1))
    assert (sample.times.diff(dim=1) > 0).all()


def test_jittered_frames_come_from_at_most_reach_frames_away() -> None:
    frame = torch.arange(16.0).view(1, 16, 1, 1).expand(CLIPS, 16, 15, 2)
    distance = (apply(JitterFrames(1.0, reach=3), frame) - frame).abs()
    assert distance.max() == 3
    assert (distance == distance[:, :, :1, :1]).all()


@pytest.mark.parametrize(
    "make", [ZeroAxis, ZeroFrames, RotateScaleShift, Mirror, DropJoints, ReverseTime, JitterFrames]
)
def test_every_augmentation_leaves_its_input_alone_and_does_nothing_at_p_0(make) -> None:
    clips = random_clips()
    before = clips.clone()
    changed = apply(make(1.0), clips)
    assert not torch.equal(changed, clips)
    assert torch.equal(clips, before)
    assert torch.equal(apply(make(0.0), clips), clips)


def test_no_augmentation_changes_nothing() -> None:
    sample = Sample(random_clips(), torch.zeros(50, 16))
    assert Augmentation()(sample, Draws(1, 0, torch.arange(50)), LAYOUT) is sample


@pytest.mark.parametrize("make", [lambda: ZeroAxis(1.5), lambda: ZeroFrames(0.2, 5, 4), lambda: Mirror(-0.1)])
def test_impossible_augmentations_are_refused(make) -> None:
    with pytest.raises(UserError):
        make()
