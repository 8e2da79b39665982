"""Modalities: joints, bones and motion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import mmn
from mmn.data.format.clips import Clips
from mmn.data.format.layout import load_layout
from mmn.data.pipeline.augment import Augmentation, ZeroFrames
from mmn.data.pipeline.augment_joints import DropJoints, DropStreams, Mirror
from mmn.data.pipeline.augment_space import RotateScaleShift, Shear
from mmn.data.pipeline.augment_time import ReverseTime
from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality, Selection
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing, RandomDraws

RNG = np.random.default_rng(0)


def fetch(clip: np.ndarray, modality: Modality, *steps, count: int = 8, seen: RandomDraws | None = None,
          **options) -> Batch:  # fmt: skip
    training = RandomDraws(1, Augmentation(steps), random_frames=False) if steps else seen
    clips = Clips.from_arrays([clip.astype(np.float32)])
    return ClipFetcher(clips, load_layout("jhmdb"), Preprocessing(modality, count, **options), training).fetch(
        torch.tensor([0])
    )


def moving(frames: int) -> np.ndarray:
    """Joints that move one unit per frame along x, in a box of 100 × 200."""
    clip = RNG.uniform(10, 40, (1, 15, 2)).repeat(frames, axis=0)
    clip[:, 0], clip[:, 1] = (0, 0), (100, 200)
    clip[:, 2:, 0] += np.arange(frames)[:, None]
    return clip


def test_motion_is_the_difference_of_sampled_frames() -> None:
    place = load_layout("jhmdb").order.index(5)
    moved = fetch(moving(22), Modality("joint_motion"), normalisation="aspect").clips[0, :, place, 0]
    torch.testing.assert_close(moved[:-1] * 100, torch.full((7,), 3.0), atol=1e-3, rtol=0)
    assert moved[-1] == 0
    backwards = fetch(moving(22), Modality("joint_motion"), ReverseTime(1.0), normalisation="aspect")
    torch.testing.assert_close(backwards.clips[0, :-1, place, 0] * 100, torch.full((7,), -3.0), atol=1e-3, rtol=0)


def test_fractional_frames_are_interpolated() -> None:
    place = load_layout("jhmdb").order.index(5)
    batch = fetch(moving(4), Modality("joint"), normalisation="aspect", sampling=Sampling("warp"))
    torch.testing.assert_close(batch.clips[0, :, place, 0].diff() * 100, torch.full((7,), 3 / 7), atol=1e-3, rtol=0)
    torch.testing.assert_close(batch.times[0], 2 * torch.linspace(0, 3, 8) / 4 - 1)
    assert (fetch(moving(1), Modality("all"), sampling=Sampling("warp")).clips[..., 4:] == 0).all()


def test_motion_is_taken_over_the_given_spans() -> None:
    place = load_layout("jhmdb").order.index(5)
    moved = fetch(moving(8), Modality("joint_motion", spans=[1, 3]), normalisation="aspect").clips[0, :, place] * 100
    torch.testing.assert_close(moved[:, 0], torch.tensor([1.0] * 7 + [0.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(moved[:, 2], torch.tensor([3.0] * 5 + [0.0] * 3), atol=1e-3, rtol=0)
    assert Modality("joint_motion", spans=3) == Modality("joint_motion", spans=[3])
    for wrong in (0, 1.5, "a", True, [], [1, 1]):
        with pytest.raises(mmn.UserError, match=r"modality\.spans"):
            Modality("joint_motion", spans=wrong)
    for name in ("joint_motion", "all"):
        with pytest.raises(mmn.UserError, match=r"modality\.spans has 8, but clips have data\.num_frames=8"):
            Preprocessing(Modality(name, spans=[1, 8]), 8)
    Preprocessing(Modality("joint", spans=[8]), 8)  # of which nothing is motion


@pytest.mark.parametrize("coordinates", [2, 3])
def test_all_streams_are_concatenated(coordinates: int) -> None:
    layout, clip = load_layout("jhmdb"), [RNG.random((30, 15, coordinates))]
    modality = Modality("all", bone_rule="tree", distances=True)
    together, _ = mmn.prepare(clip, layout, modality)
    streams = [mmn.prepare(clip, layout, name, bone_rule="tree")[0] for name in modality.streams[:4]]
    assert together.shape[-1] == modality.channels(coordinates, layout) == 4 * coordinates + 5
    assert torch.equal(together[..., : 4 * coordinates], torch.cat(streams, dim=-1))
    arm = streams[0][:, :, :3].mean(dim=2)  # the right arm comes first
    torch.testing.assert_close(together[:, :, 7, -5], (streams[0][:, :, 7] - arm).norm(dim=-1))
    some, _ = mmn.prepare(clip, layout, Modality("all", shown=["bone"]))
    assert torch.equal(some[..., coordinates : 2 * coordinates], mmn.prepare(clip, layout, "bone")[0])
    assert (some[..., :coordinates] == 0).all()
    assert (some[..., 2 * coordinates :] == 0).all()
    assert Modality("all", shown="bone") == Modality("all", shown=["bone"])
    for wrong in ({"name": "all", "shown": ["distance"]}, {"name": "joint", "shown": ["joint"]},
                  {"name": "all", "shown": []}, {"name": "all", "shown": ["bone", "bone"]},
                  {"name": "joint", "distances": True}):  # fmt: skip
        with pytest.raises(mmn.UserError):
            Modality(**wrong)


def test_a_bone_is_zero_if_either_end_is_lost() -> None:
    layout = load_layout("jhmdb")
    clip = RNG.random((20, 15, 2))
    whole = fetch(clip, Modality("all")).clips[0]
    broken = fetch(clip, Modality("all"), DropJoints(1.0, share=0.3)).clips[0]
    lost = (broken[..., :2] == 0).all(dim=2).all(dim=0)  # (V,) in network order
    assert 0 < lost.sum() < 15
    end = layout.bone_end("official")
    for place, joint in enumerate(layout.order):
        touched = lost[place] or lost[layout.order.index(end[joint])]
        expected = torch.zeros_like(whole[:, place]) if touched else whole[:, place]
        torch.testing.assert_close(broken[:, place, 2:4], expected[:, 2:4])
        torch.testing.assert_close(broken[:, place, 6:8], expected[:, 6:8])
        torch.testing.assert_close(broken[:, place, 4:6], whole[:, place, 4:6] * ~lost[place])


def test_lost_joints_do_not_move_the_middle_of_their_part() -> None:
    layout = load_layout("jhmdb")
    modality = Modality("all", distances=True)
    select = Selection(modality, layout, torch.device("cpu"))
    clips = torch.rand(2, 4, 15, 2)
    lost = torch.zeros(2, 15, dtype=torch.bool)
    lost[0, layout.parts["right_arm"][0]] = True
    lost[1, layout.parts["right_arm"]] = True
    moved = clips.clone()
    moved[lost.unsqueeze(1).expand(2, 4, 15)] += 5
    distances = select(clips, lost=lost)[..., -5:]
    assert torch.equal(distances, select(moved, lost=lost)[..., -5:])
    assert (distances[1, ..., 0] == 0).all()
    assert (distances[0, :, 5:, 0] > 0).all()


def test_zeroing_frames_after_motion_leaves_no_jump() -> None:
    clip = moving(20)
    largest = fetch(clip, Modality("joint_motion"), count=16).clips.abs().max()
    after = fetch(clip, Modality("joint_motion"), ZeroFrames(1.0, share=0.25, after_motion=True), count=16).clips
    before = fetch(clip, Modality("joint_motion"), ZeroFrames(1.0), count=16).clips
    assert after.abs().max() <= largest
    assert before.abs().max() > 4 * largest
    assert (after[0, :-1] == 0).all(dim=(1, 2)).sum() == 4


@pytest.mark.parametrize("rule", ["official", "aspect"])
def test_rotated_clips_stay_rigid_and_fill_their_box(rule: str) -> None:
    clip = RNG.uniform(0, 1, (64, 15, 2)) * [1, 3]
    turned = fetch(clip, Modality("joint"), RotateScaleShift(1.0, 180), count=64, normalisation=rule).clips[0]
    low, high = turned.amin(dim=(0, 1)), turned.amax(dim=(0, 1))
    torch.testing.assert_close(high, -low, atol=1e-4, rtol=0)
    assert high.max() == pytest.approx(1, abs=1e-4)
    plain = fetch(clip, Modality("joint"), count=64, normalisation=rule).clips[0]
    assert (turned - plain).abs().max() > 0.05
    if rule == "aspect":  # one scale for all axes: all distances change by the same factor
        distances = [torch.pdist(x[0].double()) for x in (turned, plain)]
        ratio = distances[0] / distances[1]
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rule", ["official", "aspect", "person"])
def test_a_step_that_leaves_a_clip_alone_leaves_its_box_alone(rule: str) -> None:
    clip = RNG.uniform(0, 1, (200, 15, 2)).cumsum(axis=0)
    untouched = fetch(clip, Modality("joint"), Shear(0.0), normalisation=rule).clips
    torch.testing.assert_close(untouched, fetch(clip, Modality("joint"), normalisation=rule).clips, atol=1e-5, rtol=0)


def test_mirroring_applies_to_motion() -> None:
    clip = RNG.random((20, 15, 2))
    plain = fetch(clip, Modality("joint_motion")).clips
    mirrored = fetch(clip, Modality("joint_motion"), Mirror(1.0)).clips
    left, right = (load_layout("jhmdb").order.index(joint) for joint in load_layout("jhmdb").flip_pairs[0])
    torch.testing.assert_close(mirrored[:, :, left], plain[:, :, right] * torch.tensor([-1.0, 1.0]))


def test_tree_bones_are_joints_minus_their_parents() -> None:
    layout = load_layout("imigue")
    keypoints = [RNG.random((64, 22, 2))]
    joints, _ = mmn.prepare(keypoints, layout, "joint")
    bones, _ = mmn.prepare(keypoints, layout, "bone", bone_rule="tree")
    place = {joint: i for i, joint in enumerate(layout.order)}
    for joint, end in enumerate(layout.bone_end("tree").tolist()):
        expected = joints[:, :, place[joint]] - joints[:, :, place[end]]
        torch.testing.assert_close(bones[:, :, place[joint]], expected)
    with pytest.raises(mmn.UserError, match="unknown bone rule 'best'"):
        mmn.prepare(keypoints, layout, "bone", bone_rule="best")


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(mmn.UserError, match="unknown modality 'depth'"):
        mmn.prepare([np.zeros((3, 15, 2))], layout="jhmdb", modality="depth")


def test_a_body_part_without_joints_is_at_no_distance() -> None:
    plain = load_layout("jhmdb")
    empty = replace(plain, parts={**plain.parts, "tail": []})
    clips, modality = torch.rand(2, 4, 15, 2), Modality("all", distances=True)
    distances = modality.select(clips, empty)
    assert torch.equal(distances[..., :-1], modality.select(clips, plain))
    assert (distances[..., -1] == 0).all()


def test_streams_are_either_hidden_or_dropped_at_random() -> None:
    with pytest.raises(mmn.UserError, match=r"DropStreams may leave only streams that modality\.shown hides"):
        fetch(moving(8), Modality("all", shown=["bone"]), DropStreams(0.5))
