"""The preprocessing is the official one, whole batches at a time."""

import numpy as np
import pytest
import torch
from conftest import FIXTURES

import mmn
from mmn.data.format.clips import Clips
from mmn.data.format.layout import load_layout
from mmn.data.pipeline.frames import evaluation_frames, frame_times, training_frames
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import ClipFetcher
from mmn.data.pipeline.stores import normalise

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


def test_evaluation_frames_are_numpys_linspace_truncated() -> None:
    lengths = torch.arange(1, 3000)
    frames = evaluation_frames(lengths, 64).numpy()
    for length in lengths.tolist():
        assert (frames[length - 1] == np.linspace(0, length - 1, 64).astype(int)).all()


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


def test_each_clip_is_normalised_on_its_own() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(50, 20, (n, 15, 2)).astype(np.float32) for n in (1, 4, 9)]
    packed = normalise(Clips.from_arrays(arrays), centre=1)
    alone = np.concatenate([normalise(Clips.from_arrays([a]), centre=1) for a in arrays])
    np.testing.assert_array_equal(packed, alone)
    assert packed.min() >= -1
    assert packed.max() <= 1


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
    fetcher = ClipFetcher(small.splits["val"], small.layout, Modality("joint"), 64)
    batch = fetcher.fetch(torch.tensor([3, -1]))
    assert batch.indices.tolist() == [3, -1]
    assert batch.labels[1] == -1


@pytest.mark.parametrize(
    ("clips", "sentence"),
    [
        ([], "there are no clips"),
        ([np.zeros((3, 15))], "clip clip0000 has shape"),
        ([np.zeros((3, 15, 2)), np.zeros((3, 14, 2))], "clip clip0001 has shape"),
        ([np.zeros((3, 14, 2))], "14 joints a frame and its layout 15"),
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
