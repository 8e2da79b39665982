"""The preprocessing is the official one, whole batches at a time."""

import numpy as np
import pytest
import torch
from conftest import FIXTURES

import mmn
from mmn.data.format.clips import Clips
from mmn.data.format.layout import load_layout
from mmn.data.pipeline.augment import Augmentation, ZeroFrames
from mmn.data.pipeline.augment_joints import DropJoints, Mirror
from mmn.data.pipeline.augment_space import RotateScaleShift
from mmn.data.pipeline.augment_time import ReverseTime
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.frames import Sampling, evaluation_frames, frame_times, training_frames
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.normalise import boxes
from mmn.data.pipeline.preprocess import Batch, ClipFetcher, Preprocessing, RandomDraws

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("key", "modality"), [("j", "joint"), ("b", "bone"), ("jm", "joint_motion"), ("bm", "bone_motion")]
)
def test_prepare_gives_the_official_feeder_output(key: str, modality: str) -> None:
    arrays = np.load(FIXTURES / "feeder_ma52.npz")
    clips, times = mmn.prepare([arrays[f"clip{i}"] for i in range(7)], layout="ma52", modality=modality)
    assert clips.shape == (7, 64, 44, 2)
    for i in range(7):
        np.testing.assert_allclose(clips[i], arrays[f"{key}/data{i}"].transpose(1, 2, 0), atol=1e-6)
        np.testing.assert_allclose(times[i], arrays[f"{key}/index_t{i}"], atol=1e-6)


@pytest.mark.parametrize("count", [64, 50])  # 49 · (1 / 49) is less than 1
def test_evaluation_frames_are_numpys_linspace_truncated(count: int) -> None:
    lengths = torch.arange(1, 3000)
    frames = evaluation_frames(lengths, count).numpy()
    for length in lengths.tolist():
        assert (frames[length - 1] == np.linspace(0, length - 1, count).astype(int)).all()


def test_training_frames_are_sorted_and_inside_the_clip() -> None:
    lengths = torch.tensor([1, 2, 10_000])
    frames = training_frames(lengths, torch.rand(3, 64))
    assert (frames.diff(dim=1) >= 0).all()
    assert (frames >= 0).all()
    assert (frames < lengths.unsqueeze(1)).all()
    nearly_one = torch.full((1, 64), 1 - 2.0**-24)
    assert training_frames(torch.tensor([10_000_000]), nearly_one).max() < 10_000_000


def test_frame_times_run_from_minus_one_towards_one() -> None:
    times = frame_times(torch.tensor([[0, 5, 9]]), torch.tensor([10]))
    torch.testing.assert_close(times, torch.tensor([[-1.0, 0.0, 0.8]]))


@pytest.mark.parametrize("rule", ["official", "aspect", "person"])
def test_each_clip_is_normalised_on_its_own(rule: str) -> None:
    arrays = [RNG.normal(50, 20, (n, 15, 2)).astype(np.float32) for n in (1, 4, 9)]
    together = boxes(torch.from_numpy(np.concatenate(arrays)), torch.tensor([1, 4, 9]), 1, rule)
    for place, array in enumerate(arrays):
        x = torch.from_numpy(array)
        alone = boxes(x, torch.tensor([len(x)]), 1, rule)
        torch.testing.assert_close(alone, together.of(torch.tensor([place])))
        inside = alone.normalise(x[None])[0]
        low, high, body = x.amin((0, 1)), x.amax((0, 1)), (x.amax(1) - x.amin(1)).amax(1).mean()
        expected = {
            "official": (x - low) / (high - low) * 2 - 1,
            "aspect": (x - (low + high) / 2) / ((high - low).max() / 2),
            "person": (x - x[:, 1].mean(dim=0)) / (body / 2),
        }[rule]
        torch.testing.assert_close(inside, expected, atol=1e-5, rtol=1e-5)


def test_normalisations_and_samplings_that_there_are_not_are_refused() -> None:
    with pytest.raises(mmn.UserError, match=r"no data\.normalisation 'best'"):
        mmn.prepare([np.zeros((3, 15, 2))], "jhmdb", normalisation="best")
    with pytest.raises(mmn.UserError, match=r"no data\.sampling 'best'"):
        mmn.prepare([np.zeros((3, 15, 2))], "jhmdb", sampling="best")
    with pytest.raises(mmn.UserError, match=r"data\.sampling_strength is -1"):
        Sampling("warp", -1)
    with pytest.raises(mmn.UserError, match=r"data\.num_frames is 0"):
        mmn.prepare([np.zeros((3, 15, 2))], "jhmdb", num_frames=0)


def test_strata_show_one_frame_of_each_of_equal_parts() -> None:
    lengths = torch.tensor([40, 3])
    strata = Sampling("strata")
    assert strata.evaluation(lengths, 4).tolist() == [[5, 15, 25, 35], [0, 1, 1, 2]]
    frames = torch.stack([strata.training(lengths, 4, Draws(1, epoch, torch.arange(2)), 0) for epoch in range(99)])
    for part in range(4):
        assert set(frames[:, 0, part].tolist()) == set(range(10 * part, 10 * part + 10))
    assert frames[:, 1].max() == 2


def test_warps_are_smooth_and_spread_over_the_clip() -> None:
    lengths = torch.full((500,), 101)
    even = Sampling("warp").evaluation(lengths[:1], 41)
    torch.testing.assert_close(even[0], torch.linspace(0, 100, 41, dtype=torch.float64))
    frames = Sampling("warp", 0.7).training(lengths, 40, Draws(1, 0, torch.arange(500)), 0)
    steps = frames.diff(dim=1)
    assert (frames >= 0).all()
    assert (frames <= 100).all()
    assert steps.min() > 0
    assert (steps[:, 1:] / steps[:, :-1]).log().abs().max() < 0.5
    assert steps.std(dim=1).median() > 0.3  # 2.5 frames a step
    assert frames[:, 0].max() > 2
    plain = Sampling("warp", 0.0).training(lengths, 40, Draws(1, 0, torch.arange(500)), 0)
    torch.testing.assert_close(plain.diff(dim=1), torch.full((500, 39), 2.5, dtype=torch.float64))


def fetch(clip: np.ndarray, modality: Modality, *steps, count: int = 8, mix=None, seen: RandomDraws | None = None,
          **options) -> Batch:  # fmt: skip
    training = RandomDraws(1, Augmentation(steps, mix), random_frames=False) if steps else seen
    clips = Clips.from_arrays([clip.astype(np.float32)])
    return ClipFetcher(clips, load_layout("jhmdb"), Preprocessing(modality, count, **options), training).fetch(
        torch.tensor([0])
    )


def moving(frames: int) -> np.ndarray:
    """Joints that move one unit a frame along x, in a box of 100 × 200."""
    clip = RNG.uniform(10, 40, (1, 15, 2)).repeat(frames, axis=0)
    clip[:, 0], clip[:, 1] = (0, 0), (100, 200)
    clip[:, 2:, 0] += np.arange(frames)[:, None]
    return clip


@pytest.mark.parametrize(("motion", "expected"), [("official", 3.0), ("per_time", 1.0), ("neighbour", 1.0)])
def test_motion_is_between_samples_or_a_frame(motion: str, expected: float) -> None:
    layout = load_layout("jhmdb")
    place = layout.order.index(5)
    moved = fetch(moving(22), Modality("joint_motion", motion=motion), normalisation="aspect").clips[0, :, place, 0]
    torch.testing.assert_close(moved[:-1] * 100, torch.full((7,), expected), atol=1e-3, rtol=0)
    assert (moved[-1] != 0) == (motion == "neighbour")
    backwards = fetch(moving(22), Modality("joint_motion", motion=motion), ReverseTime(1.0), normalisation="aspect")
    torch.testing.assert_close(backwards.clips[0, :-1, place, 0] * 100, torch.full((7,), -expected), atol=1e-3, rtol=0)


def test_repeated_frames_have_no_motion_but_that_of_their_neighbours() -> None:
    place = load_layout("jhmdb").order.index(5)
    for motion, expected in (("official", {0.0, 1.0}), ("per_time", {0.0, 1.0}), ("neighbour", {1.0})):
        moved = fetch(moving(4), Modality("joint_motion", motion=motion), normalisation="aspect").clips[0, :, place, 0]
        assert set((moved * 100).round().abs().tolist()[:-1]) == expected


def test_frames_between_frames_are_interpolated() -> None:
    place = load_layout("jhmdb").order.index(5)
    batch = fetch(moving(4), Modality("joint"), normalisation="aspect", sampling=Sampling("warp"))
    torch.testing.assert_close(batch.clips[0, :, place, 0].diff() * 100, torch.full((7,), 3 / 7), atol=1e-3, rtol=0)
    torch.testing.assert_close(batch.times[0], 2 * torch.linspace(0, 3, 8) / 4 - 1)
    assert (fetch(moving(1), Modality("all", motion="neighbour"), sampling=Sampling("warp")).clips[..., 4:] == 0).all()


def test_motion_reaches_as_far_as_asked() -> None:
    place = load_layout("jhmdb").order.index(5)
    moved = fetch(moving(8), Modality("joint_motion", spans=[1, 3]), normalisation="aspect").clips[0, :, place] * 100
    torch.testing.assert_close(moved[:, 0], torch.tensor([1.0] * 7 + [0.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(moved[:, 2], torch.tensor([3.0] * 5 + [0.0] * 3), atol=1e-3, rtol=0)
    assert (fetch(moving(8), Modality("joint_motion", spans=[9])).clips == 0).all()
    for wrong in ({"spans": [0]}, {"spans": []}, {"spans": [2], "motion": "neighbour"}):
        with pytest.raises(mmn.UserError, match=r"modality\.spans"):
            Modality("joint_motion", **wrong)


@pytest.mark.parametrize("coordinates", [2, 3])
def test_all_streams_lie_side_by_side(coordinates: int) -> None:
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
    for wrong in ({"name": "all", "shown": ["distance"]}, {"name": "joint", "shown": ["joint"]},
                  {"name": "joint", "distances": True}, {"name": "all", "motion": "fast"}):  # fmt: skip
        with pytest.raises(mmn.UserError):
            Modality(**wrong)


def test_a_bone_is_zero_where_either_end_is_lost() -> None:
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


def test_zeroed_frames_leave_no_jump_in_motion_taken_before() -> None:
    clip = moving(20)
    largest = fetch(clip, Modality("joint_motion"), count=16).clips.abs().max()
    after = fetch(clip, Modality("joint_motion"), ZeroFrames(1.0, share=0.25, after_motion=True), count=16).clips
    before = fetch(clip, Modality("joint_motion"), ZeroFrames(1.0), count=16).clips
    assert after.abs().max() <= largest
    assert before.abs().max() > 4 * largest
    assert (after[0, :-1] == 0).all(dim=(1, 2)).sum() == 4


@pytest.mark.parametrize("rule", ["official", "aspect"])
def test_turned_clips_are_turned_rigidly_and_fill_their_box_as_others_do(rule: str) -> None:
    clip = RNG.uniform(0, 1, (64, 15, 2)) * [1, 3]
    turned = fetch(clip, Modality("joint"), RotateScaleShift(1.0, 180), count=64, normalisation=rule).clips[0]
    low, high = turned.amin(dim=(0, 1)), turned.amax(dim=(0, 1))
    torch.testing.assert_close(high, -low, atol=1e-4, rtol=0)
    assert high.max() == pytest.approx(1, abs=1e-4)
    plain = fetch(clip, Modality("joint"), count=64, normalisation=rule).clips[0]
    assert (turned - plain).abs().max() > 0.05
    if rule == "aspect":  # one scale for all axes: all distances change alike
        distances = [torch.pdist(x[0].double()) for x in (turned, plain)]
        ratio = distances[0] / distances[1]
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), atol=1e-4, rtol=0)


def test_mirrored_clips_show_mirrored_motion_of_neighbours() -> None:
    clip = RNG.random((20, 15, 2))
    plain = fetch(clip, Modality("joint_motion", motion="neighbour")).clips
    mirrored = fetch(clip, Modality("joint_motion", motion="neighbour"), Mirror(1.0)).clips
    left, right = (load_layout("jhmdb").order.index(joint) for joint in load_layout("jhmdb").flip_pairs[0])
    torch.testing.assert_close(mirrored[:, :, left], plain[:, :, right] * torch.tensor([-1.0, 1.0]))


def test_preprocessing_is_kept_as_plain_values() -> None:
    import json

    modality = Modality("all", "tree", "per_time", (1, 4), True, ("joint",))
    kept = Preprocessing(modality, 32, "aspect", Sampling("warp", 0.3))
    assert Preprocessing.from_dict(json.loads(json.dumps(kept.as_dict()))) == kept


def test_constant_coordinates_become_minus_one() -> None:
    clips, _ = mmn.prepare([np.full((3, 15, 2), 7.0)], layout="jhmdb")
    assert (clips == -1).all()


def test_clips_of_one_frame_and_of_ten_thousand_are_sampled() -> None:
    clips, times = mmn.prepare([RNG.random((1, 15, 2)), RNG.random((10_000, 15, 2))], layout="jhmdb")
    assert clips.shape == (2, 64, 15, 2)
    assert (clips[0] == clips[0, :1]).all()
    assert times[0].tolist() == [-1.0] * 64


def test_three_coordinates_are_prepared() -> None:
    clips, _ = mmn.prepare([RNG.random((5, 15, 3))], layout="jhmdb", modality="bone")
    assert clips.shape == (1, 64, 15, 3)


def test_a_filler_has_no_label_and_no_index(small) -> None:
    fetcher = ClipFetcher(small.splits["val"], small.layout, Preprocessing(Modality("joint")))
    batch = fetcher.fetch(torch.tensor([3, -1]))
    assert batch.indices.tolist() == [3, -1]
    assert batch.labels[1] == -1


@pytest.mark.parametrize(
    ("clips", "sentence"),
    [
        ([], "there are no clips"),
        ([np.zeros((3, 15))], "clip clip0000 has shape"),
        ([np.zeros((3, 15, 2)), np.zeros((3, 14, 2))], "clip clip0001 has shape"),
        ([np.zeros((3, 14, 2))], "14 joints per frame, its layout 15"),
        ([np.zeros((3, 15, 4))], "4 coordinates"),
        ([np.zeros((0, 15, 2))], "clip clip0000 has no frames"),
        ([np.zeros((3, 15, 2)), np.full((3, 15, 2), np.nan)], r"clip clip0001, frame 0, joint 0 \(neck\) is missing"),
    ],
)
def test_what_cannot_be_prepared_is_refused_in_one_sentence(clips: list, sentence: str) -> None:
    with pytest.raises(mmn.UserError, match=sentence):
        mmn.prepare(clips, layout="jhmdb")


def test_bones_by_the_tree_rule_are_joints_minus_their_parents() -> None:
    layout = load_layout("imigue")
    keypoints = [RNG.random((64, 22, 2))]
    joints, _ = mmn.prepare(keypoints, layout, "joint")
    bones, _ = mmn.prepare(keypoints, layout, "bone", bone_rule="tree")
    place = {joint: i for i, joint in enumerate(layout.order)}
    for joint, end in enumerate(layout.bone_end("tree").tolist()):
        expected = joints[:, :, place[joint]] - joints[:, :, place[end]]
        torch.testing.assert_close(bones[:, :, place[joint]], expected)
    with pytest.raises(mmn.UserError, match="no bone rule 'best'"):
        mmn.prepare(keypoints, layout, "bone", bone_rule="best")


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(mmn.UserError, match="no modality 'depth'"):
        mmn.prepare([np.zeros((3, 15, 2))], layout="jhmdb", modality="depth")


def test_network_order_puts_parts_together() -> None:
    layout = load_layout("jhmdb")
    x = torch.arange(15.0).view(1, 1, 15, 1).expand(1, 4, 15, 2)
    assert Modality("joint").select(x, layout)[0, 0, :, 0].tolist() == layout.order
