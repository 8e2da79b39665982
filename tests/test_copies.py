"""Near-duplicate clips are found, whatever was changed, and different clips are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import train

from mmn.data.format.clips import Clips
from mmn.data.format.copies import contradictions, find_copies
from mmn.data.format.hdf5 import write_data
from mmn.data.format.skeletons import SkeletonData


def changed(clip: np.ndarray, how: str, data: SkeletonData) -> np.ndarray:
    swapped = np.arange(15)
    for left, right in data.layout.flip_pairs:
        swapped[[left, right]] = right, left
    size = float(np.ptp(clip))
    return {
        "equal": lambda: clip,
        "moved": lambda: clip * 0.5 + 300,
        "slower": lambda: clip[::2],
        "shortened": lambda: clip[: int(0.8 * len(clip))],
        "mirrored": lambda: clip[:, swapped] * [-1, 1],
        "reversed": lambda: clip[::-1],
        "noisy": lambda: clip + np.random.default_rng(0).normal(size=clip.shape) * 0.005 * size,
    }[how]()


def test_disjoint_splits_have_no_copies(small: SkeletonData) -> None:
    assert find_copies(small) == []
    assert contradictions(small) == []


@pytest.mark.parametrize("how", ["equal", "moved", "slower", "shortened", "mirrored", "reversed", "noisy"])
def test_a_changed_copy_in_another_split_is_found(small: SkeletonData, how: str) -> None:
    train, test = small.splits["train"], small.splits["test"]
    clips = [test.clip(i) for i in range(5)] + [changed(train.clip(7), how, small)]
    leaking = Clips.from_arrays(clips, labels=[*test.labels[:5], train.labels[7]], names=[f"t{i}" for i in range(6)])
    (found,) = find_copies(replace(small, splits={"train": train, "test": leaking}))
    assert found[:2] == (f"train/{train.names[7]}", "test/t5")
    assert ("mirrored" in found.how, "reversed" in found.how) == (how == "mirrored", how == "reversed")


def test_a_clip_with_two_labels_in_one_split_is_found_once(small: SkeletonData) -> None:
    train = small.splits["train"]
    again = Clips.from_arrays(
        [*(train.clip(i) for i in range(20)), train.clip(3) * 2],
        labels=[*train.labels[:20], (train.labels[3] + 1) % 14],
        names=[*train.names[:20], "again"],
    )
    (found,) = contradictions(replace(small, splits={"train": again}))
    assert {found.first, found.second} == {f"train/{train.names[3]}", "train/again"}


def test_training_warns_of_leaked_clips(small: SkeletonData, tmp_path: Path) -> None:
    train_clips, val = small.splits["train"], small.splits["val"]
    clips = [val.clip(i) for i in range(10)] + [train_clips.clip(2) + 5]
    labels = [*val.labels[:10], train_clips.labels[2]]
    leaking = Clips.from_arrays(clips, labels=labels, names=[f"v{i}" for i in range(11)])
    write_data(tmp_path / "x.h5", replace(small, splits={"train": train_clips, "val": leaking}))
    ended = train(tmp_path / "run", tmp_path / "x.h5", "debug=fast")
    output = ended.stdout + ended.stderr
    assert f"1 clip is nearly the same as one of another split (train/{train_clips.names[2]} and val/v10" in output, (
        output
    )
