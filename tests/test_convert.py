"""Conversion of official pickles to HDF5, without executing code in them."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import reference

from mmn.data.format.classes import load_classes
from mmn.data.format.hdf5 import read_data
from mmn.data.sources.convert import convert
from mmn.errors import UserError


def dump(path: Path, content: object, protocol: int = 4) -> None:
    path.write_bytes(pickle.dumps(content, protocol=protocol))


def write_pickles(folder: Path, protocol: int = 4, clips: int = 3, splits: tuple[str, ...] = ("train", "test")) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for split in splits:
        names = [f"{split}_{i}" for i in range(clips)]
        annotations = [
            {"frame_dir": n, "keypoint": rng.normal(size=(1, 5 + i, 15, 2)), "total_frames": 5 + i}
            for i, n in enumerate(names)
        ]
        dump(folder / f"{split}_data.pkl", {"annotations": annotations}, protocol)
        labels = [{"file_name": n, "label": i} for i, n in enumerate(names)]
        dump(folder / f"{split}_label.pkl", labels[::-1], protocol)
    return folder


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_converted(tmp_path: Path, protocol: int) -> None:
    source = write_pickles(tmp_path / "source", protocol)
    convert(source, tmp_path / "x.h5", "jhmdb")
    data = read_data(tmp_path / "x.h5")
    assert {split: len(clips) for split, clips in data.splits.items()} == {"train": 3, "test": 3}
    assert data.splits["train"].labels.tolist() == [0, 1, 2]  # matched by name: the label file runs backwards
    original = pickle.loads((source / "train_data.pkl").read_bytes())["annotations"][2]["keypoint"][0]
    np.testing.assert_array_equal(data.splits["train"].clip(2), original.astype(np.float32))


def test_real_jhmdb_pickles_are_converted(tmp_path: Path) -> None:
    convert(reference("data/jhmdb/split1"), tmp_path / "x.h5", "jhmdb")
    data = read_data(tmp_path / "x.h5")
    assert {split: len(clips) for split, clips in data.splits.items()} == {"train": 433, "test": 176}


def test_missing_test_labels_are_unknown_and_missing_training_labels_refused(tmp_path: Path) -> None:
    source = write_pickles(tmp_path / "source")
    (source / "test_label.pkl").unlink()
    data = convert(source, tmp_path / "x.h5", "jhmdb")
    assert data.splits["test"].labels.tolist() == [-1, -1, -1]
    (source / "train_label.pkl").unlink()
    with pytest.raises(UserError, match=r"there is no file .*train_label\.pkl"):
        convert(source, tmp_path / "y.h5", "jhmdb")


def test_class_names_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    source = write_pickles(tmp_path / "source")
    data = convert(source, tmp_path / "x.h5", "jhmdb", classes=tmp_path / "names.txt")
    assert data.classes.names == ["one", "two", "three"]
    assert convert(source, tmp_path / "y.h5", "jhmdb", classes="ma52").classes == load_classes("ma52")
    with pytest.raises(UserError, match="--classes is coco17, a layout without class names"):
        convert(source, tmp_path / "z.h5", "jhmdb", classes="coco17")


class Hostile:
    """Pickled as a call of ``os.system``."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_refused_and_not_executed(tmp_path: Path, protocol: int) -> None:
    source = write_pickles(tmp_path / "source")
    dump(source / "train_data.pkl", {"annotations": [Hostile(tmp_path / "marker")]}, protocol)
    with pytest.raises(UserError, match=r"was refused: it names (posix|nt)\.system"):
        convert(source, tmp_path / "x.h5", "jhmdb")
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "x.h5").exists()


def annotation(**changes) -> dict:
    return {"annotations": [{"frame_dir": "train_0", "keypoint": np.zeros((1, 4, 15, 2)), **changes}]}


NAN = np.zeros((1, 4, 15, 2))
NAN[0, 2, 7, 1] = np.nan


@pytest.mark.parametrize(
    ("data", "labels", "message"),
    [
        ([], None, "no list of annotations"),
        ({"annotations": [{}]}, None, "annotation 0 lacks frame_dir or keypoint"),
        (annotation(keypoint=np.zeros((2, 4, 15, 2))), None, "has 2 persons"),
        (annotation(keypoint="text"), None, "has keypoints str"),
        (annotation(keypoint=np.zeros((1, 4, 14, 2))), 0, "has 14 joints per frame, its layout 15"),
        (annotation(keypoint=np.zeros((1, 0, 15, 2))), 0, "clip train_0 has no frames"),
        (annotation(keypoint=NAN), 0, r"clip train_0, frame 2, joint 7 \(right_elbow\) is missing \(1 of 60 joints"),
        (annotation(), 14, "clip train_0 has label 14, outside 0…13"),
        (annotation(frame_dir="other"), 0, "clip other has no label"),
        (annotation(), "text", "is not a list of file_name and label"),
    ],
)
def test_invalid_pickles_are_refused_with_a_one_line_message(tmp_path: Path, data, labels, message: str) -> None:
    source = write_pickles(tmp_path / "source", splits=("train",))
    dump(source / "train_data.pkl", data)
    if labels is not None:
        dump(source / "train_label.pkl", [{"file_name": "train_0", "label": labels}])
    with pytest.raises(UserError, match=message) as error:
        convert(source, tmp_path / "x.h5", "jhmdb")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.h5").exists()


def test_damaged_and_missing_sources_are_refused(tmp_path: Path) -> None:
    source = write_pickles(tmp_path / "source")
    (source / "train_data.pkl").write_bytes((source / "train_data.pkl").read_bytes()[:-40])
    with pytest.raises(UserError, match=r"train_data\.pkl"):
        convert(source, tmp_path / "x.h5", "jhmdb")
    shutil.rmtree(source)
    with pytest.raises(UserError, match="source does not exist"):
        convert(source, tmp_path / "x.h5", "jhmdb")
    source.mkdir()
    with pytest.raises(UserError, match="is in no known format"):
        convert(source, tmp_path / "x.h5", "jhmdb")
