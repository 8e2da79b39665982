"""Official weights, which record neither layout nor modality, on new recordings."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import in_process
from conftest import FIXTURES
from test_predict import predict, rows

import mmn
from mmn.errors import UserError


@pytest.fixture(scope="module")
def ten_joints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with as many joints as ``official_small.pt``."""
    joints = [f"j{i}" for i in range(10)]
    layout = {"joints": joints, "bones": [["j0", "j1"]], "parts": {"all": joints}, "centre": "j1"}
    path = tmp_path_factory.mktemp("layout") / "ten.yaml"
    path.write_text(yaml.safe_dump(layout))
    return path


@pytest.mark.parametrize("named", [False, True])
def test_official_weights_take_a_layout_and_modality(ten_joints: Path, tmp_path: Path, named: bool) -> None:
    layout = yaml.safe_load(ten_joints.read_text()) | ({"classes": list("abcdefg")} if named else {})
    (tmp_path / "ten.yaml").write_text(yaml.safe_dump(layout))
    clips = list(np.random.default_rng(0).normal(size=(3, 20, 10, 2)))
    np.savez(tmp_path / "clips.npz", **{f"clip{i}": clip for i, clip in enumerate(clips)})
    options = "--layout", "ten.yaml", "--modality", "bone", "--top", 1
    done = predict(tmp_path, FIXTURES / "official_small.pt", "clips.npz", *options, "--output", "p.csv")
    assert done.returncode == 0, done.stderr
    converted = in_process("mmn", "convert", "clips.npz", "clips.h5", "--layout", "ten.yaml", cwd=tmp_path)
    assert converted.returncode == 0, converted.stderr
    again = predict(tmp_path, FIXTURES / "official_small.pt", "clips.h5", *options, "--output", "q.csv")
    assert again.returncode == 0, again.stderr
    assert rows(tmp_path / "q.csv") == rows(tmp_path / "p.csv")
    network = mmn.load_network(FIXTURES / "official_small.pt")
    logits = mmn.infer(network, *mmn.prepare(clips, tmp_path / "ten.yaml", "bone"))
    best = logits.argmax(dim=1).tolist()
    assert [int(row["index"]) for row in rows(tmp_path / "p.csv")] == best
    assert [row["class"] for row in rows(tmp_path / "p.csv")] == ["abcdefg"[k] if named else f"class {k}" for k in best]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "holds official weights, which do not record their layout and modality; give both"),
        ({"layout": "ten"}, "give both"),
        ({"layout": "jhmdb", "modality": "bone"}, "has 10 joints, but the layout jhmdb has 15"),
        ({"layout": "ten", "modality": "bones"}, "unknown modality 'bones'"),
    ],
)
def test_official_weights_without_layout_or_modality_are_refused(
    ten_joints: Path, options: dict[str, str], sentence: str
) -> None:
    if options.get("layout") == "ten":
        options = {**options, "layout": str(ten_joints)}
    with pytest.raises(UserError, match=sentence):
        mmn.Predictor(FIXTURES / "official_small.pt", **options)


def test_a_modality_is_only_for_official_weights(small_checkpoint: Path) -> None:
    with pytest.raises(UserError, match="records its modality; leave out modality joint"):
        mmn.Predictor(small_checkpoint, modality="joint")
