"""Damaged and hostile checkpoints."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import FIXTURES, official_fixture

from mmn.errors import UserError
from mmn.inference.checkpoint import KEY, load_checkpoint


def set_argument(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[KEY]["stream"]["arguments"].__setitem__(name, value)


def set_weight(value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["state_dict"].__setitem__("network.classifier.weight", value)


def record(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[KEY].__setitem__(name, value)


LIES = {
    "a million blocks": set_argument("depth", 10**6),
    "a million channels": set_argument("width", 10**6),
    "a million heads": set_argument("heads", 10**6),
    "a million classes": set_argument("num_classes", 10**6),
    "a million joints": set_argument("num_joints", 10**6),
    "a wide perceptron": set_argument("mlp_ratio", 1e9),
    "a perceptron of NaN": set_argument("mlp_ratio", float("nan")),
    "a wide lift": set_argument("lift", [30_000, 30_000]),
    "a deep lift": set_argument("lift", [1] * 100_000),
    "a million coordinates": set_argument("coordinates", 10**6),
    "a billion frames": set_argument("num_frames", 2**30),
    "an unknown argument": set_argument("colour", "red"),
    "text for a number": set_argument("width", "wide"),
    "no arguments": lambda content: content[KEY]["stream"].pop("arguments"),
    "no stream": lambda content: content[KEY].pop("stream"),
    "no weights": lambda content: content.update(state_dict={}),
    "weights that are a list": lambda content: content.update(state_dict=[1]),
    "a description that is a list": lambda content: content.update({KEY: [1]}),
    "a missing weight": lambda content: content["state_dict"].pop("network.classifier.bias"),
    "a number for a weight": set_weight(1.0),
    "a sparse weight": set_weight(torch.eye(14).to_sparse()),
    "a weight larger than the file": set_weight(torch.ones(1).expand(10**6, 10**6)),
    "a weight of another shape": set_weight(torch.ones(14, 3)),
    "a weight that is not finite": set_weight(torch.full((14, 16), float("nan"))),
    "a temperature of NaN": record("chosen", {"temperature": float("nan")}),
    "a negative temperature": record("chosen", {"temperature": -1.0}),
    "a temperature in words": record("chosen", {"temperature": "hot"}),
    "no confidences": record("confidences", []),
    "confidences that are no probabilities": record("confidences", [0.5, 7.0]),
    "confidences in words": record("confidences", "x"),
    "a clip length that is a list": record("clip_length", [1]),
    "a class in no group": lambda content: content[KEY]["stream"]["classes"].update(group_of_class=[5]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_hostile_checkpoint_is_refused_quickly(lie, small_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(small_checkpoint, weights_only=True)
    lie(content)
    torch.save(content, tmp_path / "x.ckpt")
    start = time.process_time()
    with pytest.raises(UserError, match=r"x\.ckpt|network"):
        load_checkpoint(tmp_path / "x.ckpt")
    assert time.process_time() - start < 2


def test_flipped_bits_are_refused_or_harmless(small_checkpoint: Path, tmp_path: Path) -> None:
    content, path = small_checkpoint.read_bytes(), tmp_path / "x.ckpt"
    expected = load_checkpoint(small_checkpoint).network.state_dict()
    refused = 0
    for bit in np.random.default_rng(0).integers(0, 8 * len(content), 60).tolist():
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = load_checkpoint(path).network.state_dict()
        except UserError:
            refused += 1
            continue
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert refused > 20


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(STPE=[1.0, 2.0]),
        lambda state: state.update(epoch=3),
        lambda state: state.pop("head.bias"),
        lambda state: state.update({"head.weight": torch.ones(1).expand(10**6, 10**6)}),
        lambda state: state.update({"MFM.0.blocks.x.norm_1.weight": torch.ones(3)}),
    ],
)
def test_invalid_official_weights_are_refused(change, tmp_path: Path) -> None:
    _, state = official_fixture(FIXTURES / "mmn_small.npz")
    change(state)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(UserError, match=r"x\.pt"):
        load_checkpoint(tmp_path / "x.pt")
