"""PYSKL pickles: splits, labels and people."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pose_files import people

from mmn.data.format.clips import UNKNOWN
from mmn.data.sources.convert import convert
from mmn.data.sources.formats import recognise
from mmn.engine.predict import read_recordings
from mmn.errors import UserError
from mmn.inference.predict import Predictor


def pyskl(folder: Path, splits: dict[str, list[str]], scores: bool = True) -> tuple[Path, np.ndarray]:
    x = people(2, 4, 15)
    annotations = [
        {
            "frame_dir": name,
            "total_frames": 4,
            "img_shape": (1080, 1920),
            "original_shape": (1080, 1920),
            "label": number,
            "keypoint": (x[..., :2] + number).astype(np.float16),
            **({"keypoint_score": x[..., 2].astype(np.float16)} if scores else {}),
        }
        for number, name in enumerate(["a", "b", "c"])
    ]
    path = folder / "set.pkl"
    path.write_bytes(pickle.dumps({"split": splits, "annotations": annotations}))
    return path, x[..., :2]


@pytest.mark.parametrize("names", [("train", "val"), ("xsub_train", "xsub_val")])
def test_pyskl_splits_labels_and_best_person_are_read(tmp_path: Path, names: tuple[str, str]) -> None:
    path, x = pyskl(tmp_path, {names[0]: ["c", "a"], names[1]: ["b"]})
    assert recognise(path) == "pyskl"
    data = convert(path, tmp_path / "x.h5", "jhmdb")
    assert data.splits["train"].names == ["c", "a"]
    assert data.splits["train"].labels.tolist() == [2, 0]
    np.testing.assert_array_equal(data.splits["val"].clip(0), (x[1] + 1).astype(np.float16).astype(np.float32))
    assert "3 other people" in data.source


def test_pyskl_without_scores_keeps_the_person_in_view_longest(tmp_path: Path) -> None:
    path, _ = pyskl(tmp_path, {"train": ["a"]}, scores=False)
    content = pickle.loads(path.read_bytes())
    content["annotations"][0]["keypoint"][0, 1:] = 0
    path.write_bytes(pickle.dumps(content))
    clip = convert(path, tmp_path / "x.h5", "jhmdb").splits["train"].clip(0)
    np.testing.assert_array_equal(clip, content["annotations"][0]["keypoint"][1].astype(np.float32))


def test_pyskl_frames_beyond_the_total_are_cut_off(tmp_path: Path) -> None:
    path, x = pyskl(tmp_path, {"train": ["a"]})
    content = pickle.loads(path.read_bytes())
    content["annotations"][0]["total_frames"] = 3
    path.write_bytes(pickle.dumps(content))
    data = convert(path, tmp_path / "x.h5", "jhmdb")
    np.testing.assert_array_equal(data.splits["train"].clip(0), x[1, :3].astype(np.float16).astype(np.float32))
    assert "cut off: a (3 of 4)" in data.source


def test_pyskl_splits_can_be_named(tmp_path: Path) -> None:
    path, _ = pyskl(tmp_path, {"xsub_train": ["a"], "xset_train": ["b"], "xsub_val": ["c"]})
    with pytest.raises(UserError, match="assign them, as in --splits train=xsub_train"):
        convert(path, tmp_path / "x.h5", "jhmdb")
    data = convert(path, tmp_path / "x.h5", "jhmdb", splits={"train": "xset_train", "test": "xsub_val"})
    assert {split: clips.names for split, clips in data.splits.items()} == {"train": ["b"], "test": ["c"]}
    with pytest.raises(UserError, match="has no split other for train"):
        convert(path, tmp_path / "x.h5", "jhmdb", splits={"train": "other"})


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [annotation.pop("label") for annotation in content["annotations"]],
        lambda content: [annotation.update(label=np.array([1.0, 0.0])) for annotation in content["annotations"]],
        lambda content: content.update(split={"xsub_train": ["a"], "xset_train": ["b"], "xsub_val": ["c"]}),
        lambda content: content.update(split={"testing": ["b"]}),
        lambda content: content.pop("split"),
    ],
    ids=["no labels", "one-hot labels", "several splits", "unknown split", "no splits"],
)
def test_recognition_needs_neither_labels_nor_splits(
    tmp_path: Path, small_checkpoint: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    path, _ = pyskl(tmp_path, {"train": ["c", "a"], "val": ["b"]})
    predictor = Predictor(small_checkpoint)
    expected = read_recordings(path, predictor).clips
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(pickle.dumps(content))
    clips = read_recordings(path, predictor).clips
    assert sorted(clips.names) == sorted(expected.names) == ["a", "b", "c"]
    for index, name in enumerate(clips.names):
        np.testing.assert_array_equal(clips.clip(index), expected.clip(expected.names.index(name)))


def test_recognition_of_one_split_reads_only_that(tmp_path: Path, small_checkpoint: Path) -> None:
    path, _ = pyskl(tmp_path, {"train": ["c", "a"], "val": ["b"]})
    assert read_recordings(path, Predictor(small_checkpoint), split="train").clips.names == ["c", "a"]


def test_pyskl_clips_may_have_unknown_labels(tmp_path: Path) -> None:
    path, _ = pyskl(tmp_path, {"test": ["a", "b", "c"]})
    content = pickle.loads(path.read_bytes())
    del content["annotations"][1]["label"]
    path.write_bytes(pickle.dumps(content))
    assert convert(path, tmp_path / "x.h5", "jhmdb").splits["test"].labels.tolist() == [0, UNKNOWN, 2]
