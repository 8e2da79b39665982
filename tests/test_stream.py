"""A loaded network's stream, and the checks based on it."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FIXTURES

import mmn
from mmn.data.format.layout import load_layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.modality import STREAMS, Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.inference.checkpoint import load_checkpoint
from mmn.inference.prepare import check_modality
from mmn.inference.stream import MMN_TARGET, Stream, with_stream

AMBIGUOUS = {("bone", "bone_motion"), ("joint_motion", "bone_motion")}
"""Pairs of a network's modality and a clip's that exact zeros cannot distinguish."""


@pytest.fixture
def moving() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(frames, 44, 2)) for frames in (20, 30)]


@pytest.mark.parametrize(("network", "clips"), itertools.product(STREAMS, STREAMS))
@pytest.mark.parametrize("rule", ["official", "tree"])
def test_clips_of_another_modality_are_refused(network: str, clips: str, rule: str, moving: list, small) -> None:
    preprocessing = Preprocessing(Modality(network, rule), 16)
    stream = Stream(preprocessing, load_layout("ma52"), small.classes, MMN_TARGET, {"num_frames": 16})
    prepared, _ = mmn.prepare(moving, "ma52", clips, num_frames=16, bone_rule=rule)
    if network == clips or (network, clips) in AMBIGUOUS:
        check_modality(stream, prepared)
        return
    with pytest.raises(mmn.UserError, match=f"the network expects {network}, but these clips seem to be {clips};"):
        check_modality(stream, prepared)


@pytest.mark.parametrize("network", STREAMS)
def test_blank_clips_fit_every_modality(network: str, small: SkeletonData) -> None:
    preprocessing = Preprocessing(Modality(network), 16)
    check_modality(Stream(preprocessing, load_layout("ma52"), small.classes, MMN_TARGET, {}), torch.zeros(2, 16, 44, 2))


def test_clips_without_movement_fit_every_modality(small: SkeletonData) -> None:
    still = [np.repeat(np.random.default_rng(0).normal(size=(1, 15, 2)), 9, axis=0)]
    for name in STREAMS:
        stream = Stream(Preprocessing(Modality(name), 16), small.layout, small.classes, MMN_TARGET, {"num_frames": 16})
        check_modality(stream, mmn.prepare(still, small.layout, name, num_frames=16)[0])


@pytest.mark.parametrize("layout", ["coco17", "ntu25", "ma52"])
def test_a_centre_at_the_origin_is_no_sign_of_bones(layout: str, small: SkeletonData) -> None:
    skeleton = load_layout(layout)
    clip = 100 * np.random.default_rng(0).normal(size=(9, skeleton.num_joints, 2))
    clip -= clip[:, [skeleton.centre]]  # relative to the centre, as many recordings are
    way = Preprocessing(Modality("joint"), 16, "person")
    prepared, _ = mmn.prepare([clip], skeleton, "joint", num_frames=16, normalisation="person")
    check_modality(Stream(way, skeleton, small.classes, MMN_TARGET, {"num_frames": 16}), prepared)


def test_input_is_prepared_from_the_networks_stream(small_checkpoint: Path, small: SkeletonData) -> None:
    network = mmn.load_network(small_checkpoint)
    clips = [small.splits["test"].clip(i) for i in range(3)]
    prepared = mmn.prepare(clips, network=network)
    assert all(map(torch.equal, prepared, mmn.prepare(clips, small.layout, "bone", num_frames=16)))
    fused = network.fuse()
    assert fused.stream is network.stream
    for net in (network, fused):
        mmn.infer(net, *prepared)
        with pytest.raises(mmn.UserError, match="expects bone, but these clips seem to be joint"):
            mmn.infer(net, *mmn.prepare(clips, small.layout, "joint", num_frames=16))
    tree = with_stream(network, replace(network.stream, preprocessing=Preprocessing(Modality("bone", "tree"), 16)))
    assert torch.equal(
        mmn.prepare(clips, network=tree)[0], mmn.prepare(clips, small.layout, "bone", 16, bone_rule="tree")[0]
    )


def test_options_that_contradict_a_network_are_refused(small_checkpoint: Path) -> None:
    clips = [np.zeros((4, 15, 2))]
    with pytest.raises(mmn.UserError, match="modality is already recorded in the network"):
        mmn.prepare(clips, modality="joint", network=mmn.load_network(small_checkpoint))
    official = mmn.load_network(FIXTURES / "official_small.pt")
    assert official.stream is None
    with pytest.raises(mmn.UserError, match="has no record of its layout"):
        mmn.prepare(clips, network=official)


def test_a_stream_is_saved_and_restored(small_checkpoint: Path) -> None:
    stream = load_checkpoint(small_checkpoint).stream
    assert Stream.from_dict(stream.as_dict(), "here") == stream
    with pytest.raises(mmn.UserError, match="written by a newer mmn"):
        Stream.from_dict({**stream.as_dict(), "version": 3}, "here")


def test_overrides_of_a_network_are_part_of_its_stream(small_checkpoint: Path) -> None:
    checkpoint = load_checkpoint(small_checkpoint, num_frames=8)
    assert checkpoint.stream.num_frames == checkpoint.arguments["num_frames"] == checkpoint.network.config["num_frames"]
