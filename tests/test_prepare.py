"""Preprocessing of whole batches, which matches the official one."""

import numpy as np
import pytest
import torch
from conftest import FIXTURES

import mmn
from mmn.data.format.layout import load_layout
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.normalise import boxes
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("key", "modality"), [("j", "joint"), ("b", "bone"), ("jm", "joint_motion"), ("bm", "bone_motion")]
)
def test_prepare_matches_the_official_feeder(key: str, modality: str) -> None:
    arrays = np.load(FIXTURES / "feeder_ma52.npz")
    clips, times = mmn.prepare([arrays[f"clip{i}"] for i in range(7)], layout="ma52", modality=modality)
    assert clips.shape == (7, 64, 44, 2)
    for i in range(7):
        np.testing.assert_allclose(clips[i], arrays[f"{key}/data{i}"].transpose(1, 2, 0), atol=1e-6)
        np.testing.assert_allclose(times[i], arrays[f"{key}/index_t{i}"], atol=1e-6)


@pytest.mark.parametrize("rule", ["official", "aspect", "person"])
def test_each_clip_is_normalised_separately(rule: str) -> None:
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


def test_unknown_normalisations_and_samplings_are_refused() -> None:
    with pytest.raises(mmn.UserError, match=r"data\.normalisation is 'best'"):
        mmn.prepare([np.zeros((3, 15, 2))], "jhmdb", normalisation="best")
    with pytest.raises(mmn.UserError, match=r"data\.sampling is 'best'"):
        mmn.prepare([np.zeros((3, 15, 2))], "jhmdb", sampling="best")
    with pytest.raises(mmn.UserError, match=r"data\.sampling_strength is -1"):
        Sampling("warp", -1)
    with pytest.raises(mmn.UserError, match=r"data\.num_frames is 0"):
        mmn.prepare([np.zeros((3, 15, 2))], "jhmdb", num_frames=0)


def test_preprocessing_round_trips_through_json() -> None:
    import json

    modality = Modality("all", "tree", (1, 4), True, ("joint",))
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


def test_padding_has_no_label_and_no_index(small) -> None:
    fetcher = ClipFetcher(small.splits["val"], small.layout, Preprocessing(Modality("joint")))
    batch = fetcher.fetch(torch.tensor([3, -1]))
    assert batch.indices.tolist() == [3, -1]
    assert batch.labels[1] == -1


@pytest.mark.parametrize(
    ("clips", "message"),
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
def test_invalid_clips_are_refused(clips: list, message: str) -> None:
    with pytest.raises(mmn.UserError, match=message):
        mmn.prepare(clips, layout="jhmdb")


def test_network_order_keeps_parts_together() -> None:
    layout = load_layout("jhmdb")
    x = torch.arange(15.0).view(1, 1, 15, 1).expand(1, 4, 15, 2)
    assert Modality("joint").select(x, layout)[0, 0, :, 0].tolist() == layout.order


def test_preprocessing_of_older_checkpoints_is_read_unless_its_motion_is_gone() -> None:
    plain = Preprocessing(Modality("joint_motion"), 32).as_dict()
    older = {**plain, "modality": {**plain["modality"], "motion": "official"}}
    assert Preprocessing.from_dict(older) == Preprocessing(Modality("joint_motion"), 32)
    older["modality"]["motion"] = "per_time"
    with pytest.raises(mmn.UserError, match="motion=per_time"):
        Preprocessing.from_dict(older)
