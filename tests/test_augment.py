"""Augmentations: exact results for given draws, frequencies, and no side effects."""

import math
from dataclasses import replace

import pytest
import torch
from samples import CLIPS, LAYOUT, apply, drawn, given, sample_of
from torch import Tensor

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Augmentation, ZeroAxis, ZeroFrames
from mmn.data.pipeline.augment_joints import DropJoints, DropParts, DropStreams, Mirror
from mmn.data.pipeline.augment_space import JointNoise, RotateScaleShift, ScaleBones, Shear, about_centre
from mmn.data.pipeline.augment_time import OfficialJitterFrames, ReverseTime
from mmn.data.pipeline.normalise import body_sizes
from mmn.errors import UserError


def random_clips(count: int = 50, coordinates: int = 2) -> Tensor:
    return torch.rand(count, 16, 15, coordinates, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("choice", "axis"), [(0.0, 0), (0.34, 1), (0.99, 2)])
def test_zero_axis_zeroes_the_drawn_axis(choice: float, axis: int) -> None:
    expected = torch.ones(1, 4, 15, 3)
    expected[..., axis] = 0
    assert torch.equal(apply(ZeroAxis(0.5), torch.ones(1, 4, 15, 3), given(0.49, choice)), expected)
    assert apply(ZeroAxis(0.5), torch.ones(1, 4, 15, 3), given(0.5, choice)).all()


@pytest.mark.parametrize(
    ("draws", "options", "frames", "zeroed"),
    [
        ((0.0, 0.0, 0.0), {}, 64, range(0, 4)),
        ((0.0, 0.999, 0.999), {}, 64, range(48, 64)),
        ((0.0, 0.5, 0.5), {}, 64, range(27, 37)),
        ((0.0, 0.999, 0.5), {}, 8, range(0, 8)),  # as in the official code
        ((0.0, 0.999, 0.999), {"share": 0.25}, 8, range(6, 8)),
        ((0.2, 0.0, 0.0), {}, 64, range(0)),
    ],
)
def test_zero_frames_zeroes_the_drawn_block(draws, options, frames: int, zeroed: range) -> None:
    clips = apply(ZeroFrames(0.2, **options), torch.ones(1, frames, 3, 2), given(*draws))
    assert (clips[0] == 0).all(dim=(1, 2)).nonzero()[:, 0].tolist() == list(zeroed)
    assert (clips[0] == 1).all(dim=(1, 2)).sum() == frames - len(zeroed)


def test_frequency_and_length_of_zeroed_blocks() -> None:
    zeroed = (apply(ZeroFrames(0.2), torch.ones(CLIPS, 64, 3, 2)) == 0).all(dim=(2, 3))  # (B, T)
    lengths = zeroed.sum(dim=1)
    assert (lengths > 0).float().mean().item() == pytest.approx(0.2, abs=0.03)
    assert set(lengths.tolist()) == {0, *range(4, 17)}


def test_clips_are_rotated_about_the_body_centre_scaled_and_shifted_as_drawn() -> None:
    clips = random_clips(1)
    step = RotateScaleShift(1.0, degrees=30, scale=0.2, shift=0.1)
    moved = apply(step, clips, given(0.0, 1.0, 1.0, 0.5, 0.5, 1.0, 0.0))
    turn = math.radians(30)
    matrix = 1.2 * torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    centre = clips.mean(dim=(1, 2))
    shift = 0.1 * body_sizes(clips) * torch.tensor([1.0, -1.0])
    torch.testing.assert_close(moved, (clips - centre) @ matrix.T + centre + shift)
    smaller = apply(step, clips, given(0.0, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5))
    torch.testing.assert_close(smaller, (clips - centre) * 0.8 + centre)


@pytest.mark.parametrize(("axis", "kept"), [("view", 2), ("vertical", 1)])
def test_3d_clips_rotate_about_the_given_axis(axis: str, kept: int) -> None:
    clips = random_clips(1, 3)
    turned = apply(RotateScaleShift(1.0, 90, 0.0, 0.0, axis), clips, given(0.0, 1.0, *[0.5] * 6))
    centre = clips.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(turned[..., kept], clips[..., kept])
    one, other = {2: (0, 1), 1: (2, 0)}[kept]
    torch.testing.assert_close((turned - centre)[..., one], -(clips - centre)[..., other])
    torch.testing.assert_close((turned - centre)[..., other], (clips - centre)[..., one])


def test_3d_clips_rotate_about_random_axes_and_keep_their_shape() -> None:
    clips = random_clips(300, 3)
    turned = apply(RotateScaleShift(1.0, 60, 0.0, 0.0, "any"), clips)
    torch.testing.assert_close((turned[:, :, 0] - turned[:, :, 1]).norm(dim=-1),
                               (clips[:, :, 0] - clips[:, :, 1]).norm(dim=-1))  # fmt: skip
    moved = (turned - clips).abs().amax(dim=(1, 2)).mean(dim=0)
    assert (moved > 0.1).all()
    assert moved.max() / moved.min() < 1.3  # no axis is favoured
    with pytest.raises(UserError, match="axis 'up'"):
        RotateScaleShift(1.0, axis="up")


def test_clips_are_sheared_as_drawn_about_their_centre() -> None:
    clips = random_clips(1)
    leaning = apply(Shear(1.0, 0.3), clips, given(0.0, 0.9, 1.0, 0.0, 0.9))
    matrix = torch.tensor([[1.0, 0.3], [-0.3, 1.0]])
    torch.testing.assert_close(leaning, about_centre(clips, matrix[None]))
    torch.testing.assert_close(leaning.mean(dim=(1, 2)), clips.mean(dim=(1, 2)))
    centre = clips.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close((leaning - centre)[..., 0], (clips - centre)[..., 0] + 0.3 * (clips - centre)[..., 1])


def test_bones_are_scaled_as_drawn_alike_on_both_sides() -> None:
    clips, end = random_clips(1), LAYOUT.bone_end("tree")
    draws = torch.linspace(0, 0.999, 15)
    factor = 1 + 0.2 * (2 * draws - 1)
    for left, right in LAYOUT.flip_pairs:
        factor[right] = factor[left]
    scaled = apply(ScaleBones(1.0, 0.2), clips, given(0.0, *draws.tolist()))
    torch.testing.assert_close(scaled - scaled[:, :, end], (clips - clips[:, :, end]) * factor[:, None])
    assert torch.equal(scaled[:, :, LAYOUT.centre], clips[:, :, LAYOUT.centre])


def test_joints_without_a_way_to_the_centre_stay_where_they_are() -> None:
    layout = replace(LAYOUT, bones=[bone for bone in LAYOUT.bones if 11 not in bone])
    clips = random_clips(3)
    scaled = ScaleBones(1.0)(sample_of(clips), drawn(3), 1, layout).clips
    assert torch.equal(scaled[:, :, 11], clips[:, :, 11])
    assert not torch.equal(scaled[:, :, 7], clips[:, :, 7])


def test_noise_has_the_given_size_and_is_equal_for_repeated_frames() -> None:
    clips = 100 * random_clips(200)
    frames = torch.arange(16).repeat_interleave(2)[:16].expand(200, -1)  # every frame twice
    noisy = JointNoise(1.0, 0.02)(sample_of(clips)._replace(frames=frames), drawn(200), 1, LAYOUT).clips
    off = (noisy - clips) / body_sizes(clips)[:, None, None, None]
    assert off.std().item() == pytest.approx(0.02, rel=0.02)
    assert abs(off.mean().item()) < 5e-4
    torch.testing.assert_close(off[:, 0::2], off[:, 1::2])
    assert not torch.allclose(off[:, 0], off[:, 2])
    half = (JointNoise(0.5)(sample_of(clips), drawn(200), 1, LAYOUT).clips != clips).any(dim=(1, 2, 3))
    assert 70 < half.sum() < 130


def test_mirror_swaps_left_and_right_and_is_its_own_inverse() -> None:
    clips = random_clips()
    mirrored = apply(Mirror(1.0), clips)
    left, right = LAYOUT.flip_pairs[0]
    torch.testing.assert_close(mirrored[:, :, left, 0], -clips[:, :, right, 0])
    torch.testing.assert_close(mirrored[:, :, left, 1], clips[:, :, right, 1])
    torch.testing.assert_close(apply(Mirror(1.0), mirrored), clips)
    assert torch.equal(apply(Mirror(0.5), clips[:1], given(0.5)), clips[:1])


def test_sided_classes_swap_with_their_counterpart_or_are_not_mirrored() -> None:
    names = ["wave left hand", "Wave right hand", "kick_left", "brightly", "nod"]
    classes = Classes(names, [], [])
    assert classes.mirrored == [1, 0, -1, 3, 4]
    clips, labels = random_clips(5), torch.arange(5)
    sample = sample_of(clips, labels=labels, mirrored=torch.tensor(classes.mirrored)[labels])
    mirrored = Mirror(1.0)(sample, drawn(5), 1, LAYOUT)
    assert mirrored.labels.tolist() == [1, 0, 2, 3, 4]
    assert torch.equal(mirrored.clips[2], clips[2])
    assert not torch.equal(mirrored.clips[3], clips[3])


def test_a_layout_may_define_mirror_images_of_classes(tmp_path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "classes: [clockwise, anticlockwise, salute, nod]\nflip_classes: [[clockwise, anticlockwise], [salute]]"
    )
    assert load_classes(path).mirrored == [1, 0, -1, 3]
    path.write_text("classes: [a, b]\nflip_classes: [[a, c]]")
    with pytest.raises(UserError, match=r"\['a', 'c'\] in flip_classes"):
        load_classes(path)


def test_a_layout_without_sides_is_not_mirrored() -> None:
    plain = Layout(LAYOUT.joints, LAYOUT.bones, LAYOUT.parts, LAYOUT.centre, flip_pairs=[])
    with pytest.raises(UserError, match="flip_pairs"):
        Mirror(0.5)(sample_of(random_clips()), drawn(50), 1, plain)


def test_lost_joints_are_marked_as_drawn_and_not_moved() -> None:
    clips = random_clips(1)
    sample = DropJoints(0.5, share=0.2)(sample_of(clips), given(0.4, 0.1, 0.3, 0.19, *[0.2] * 12), 1, LAYOUT)
    assert sample.lost[0].nonzero()[:, 0].tolist() == [0, 2]
    assert torch.equal(sample.clips, clips)
    both = DropParts(1.0)(sample, given(0.0, 0.39), 1, LAYOUT)
    assert both.lost[0].nonzero()[:, 0].tolist() == sorted([0, 2, *LAYOUT.parts["left_arm"]])
    share = DropJoints(0.5, share=0.2)(sample_of(random_clips(CLIPS)), drawn(CLIPS), 1, LAYOUT).lost.float().mean()
    assert share.item() == pytest.approx(0.1, abs=0.01)
    assert not DropParts(0.5)(sample_of(clips), given(0.5, 0.0), 1, LAYOUT).lost.any()


def test_streams_are_dropped_as_drawn_and_one_is_always_kept() -> None:
    sample = sample_of(torch.ones(1, 2, 3, 5))._replace(widths=(2, 1, 2))
    dropped = DropStreams(0.5)(sample, given(0.4, 0.4, 0.4, 0.6, 0.6), 1, LAYOUT).clips
    assert dropped[0, 0, 0].tolist() == [1, 1, 1, 0, 0]  # the second is always kept
    many = sample_of(torch.ones(CLIPS, 1, 1, 4))._replace(widths=(1, 1, 1, 1))
    kept = DropStreams(1.0)(many, drawn(CLIPS), 1, LAYOUT).clips.sum(dim=(1, 2, 3))
    assert set(kept.tolist()) == {1, 2, 3, 4}
    assert (DropStreams(0.3)(many, drawn(CLIPS), 1, LAYOUT).clips == 0).any(dim=3).float().mean() < 0.35
    with pytest.raises(UserError, match="several streams"):
        DropStreams(1.0)(sample._replace(widths=(5,)), drawn(1), 1, LAYOUT)


@pytest.mark.parametrize(
    "make", [ZeroAxis, ZeroFrames, RotateScaleShift, Shear, ScaleBones, JointNoise, Mirror, OfficialJitterFrames]
)
def test_augmentations_do_not_modify_their_input_and_do_nothing_at_p_0(make) -> None:
    clips = random_clips()
    before = clips.clone()
    changed = apply(make(1.0), clips)
    assert not torch.equal(changed, clips)
    assert torch.equal(clips, before)
    assert torch.equal(apply(make(0.0), clips), clips)


def test_steps_have_distinct_purposes_and_run_in_their_stage() -> None:
    asked = []

    class Own:
        def __call__(self, sample, draws, purpose, layout):
            asked.append(purpose)
            return sample

    augmentation = Augmentation([Own(), ReverseTime(1.0), Shear(1.0), Own()])
    assert [purpose for purpose, _ in augmentation.at("keypoints")] == [3]
    assert (augmentation.has("time"), augmentation.has("channels")) == (True, False)
    augmentation.apply("joints", sample_of(random_clips()), drawn(50), LAYOUT)
    assert asked == [1, 4]
    assert not torch.equal(drawn(50).uniform(1, 4), drawn(50).uniform(4, 4))
    Own.stage = "never"
    with pytest.raises(UserError, match="has stage 'never'"):
        Augmentation([Own()])


@pytest.mark.parametrize("make", [lambda: ZeroAxis(1.5), lambda: ZeroFrames(0.2, 5, 4), lambda: Mirror(-0.1)])
def test_invalid_augmentations_are_refused(make) -> None:
    with pytest.raises(UserError):
        make()
