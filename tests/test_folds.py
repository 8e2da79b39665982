"""Folds of the training clips, and training on several splits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import train

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.layout import load_layout
from mmn.data.format.selection import join, keep_joints, take
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.folds import fold_of_clips, hold_out
from mmn.data.view.view import View
from mmn.errors import UserError


@pytest.fixture(scope="module")
def subjects(small: SkeletonData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small file with seven subjects in its train split."""
    train = small.splits["train"]
    grouped = replace(train, groups=[f"s{i % 7}" for i in range(len(train))])
    path = tmp_path_factory.mktemp("subjects") / "x.h5"
    write_data(path, replace(small, splits={**small.splits, "train": grouped}))
    return path


def clips_of(labels: list[int], groups: list[str] | None = None) -> Clips:
    arrays = [np.full((2, 3, 2), i, np.float32) for i in range(len(labels))]
    return Clips.from_arrays(arrays, labels, groups=groups)


def test_folds_are_a_partition_stratified_by_class() -> None:
    labels = [0] * 40 + [1] * 20 + [2] * 10
    place, names = fold_of_clips(clips_of(labels), 5, seed=1)
    assert names == ["0", "1", "2", "3", "4"]
    counts = [np.bincount(np.array(labels)[place == fold], minlength=3).tolist() for fold in range(5)]
    assert counts == [[8, 4, 2]] * 5
    again, _ = fold_of_clips(clips_of(labels), 5, seed=1)
    other, _ = fold_of_clips(clips_of(labels), 5, seed=2)
    assert np.array_equal(place, again)
    assert not np.array_equal(place, other)


def test_no_group_is_in_two_folds_and_classes_are_balanced() -> None:
    rng = np.random.default_rng(0)
    groups = [f"s{i}" for i in range(20) for _ in range(12)]
    labels = [int(label) for _ in range(20) for label in rng.permutation(12) % 3]
    place, _ = fold_of_clips(clips_of(labels, groups), 5, seed=1)
    for group in set(groups):
        assert len(set(place[np.array(groups) == group])) == 1
    assert [np.bincount(np.array(labels)[place == f]).tolist() for f in range(5)] == [[16, 16, 16]] * 5


def test_no_fold_is_empty() -> None:
    labels = [[1, 1], [0, 0, 0], [0], [1, 0, 0]]  # by group; scikit-learn leaves the third of four folds empty
    groups = [f"s{group}" for group, own in enumerate(labels) for _ in own]
    place, _ = fold_of_clips(clips_of([label for own in labels for label in own], groups), 4, seed=1)
    assert sorted(set(place.tolist())) == [0, 1, 2, 3]
    assert len(set(zip(groups, place.tolist(), strict=True))) == 4


def test_groups_named_by_numbers_are_held_out_by_name() -> None:
    clips = clips_of([0] * 5, ["1", "2", "3", "10", "11"])
    data = SkeletonData("own", "", load_layout("coco17"), Classes(["a"], [], []), {"train": clips})
    for fold in (1, "10", 11):
        assert hold_out(data, "groups", fold, 1).splits["val"].groups == [str(fold)]
    for fold in (0, 4, "s1"):
        with pytest.raises(UserError, match=f"data.fold is {fold}; .* use one of the groups 1, 10, 11, 2, 3"):
            hold_out(data, "groups", fold, 1)


def test_folds_by_group_hold_out_each_group_in_turn(subjects: Path) -> None:
    data = read_data(subjects)
    held = [View(folds="groups", fold=fold).apply(data, "x") for fold in range(7)]
    assert [set(one.splits["val"].groups) for one in held] == [{f"s{fold}"} for fold in range(7)]
    assert all(set(one.splits["train"].groups).isdisjoint(one.splits["val"].groups) for one in held)
    by_name = View(folds="groups", fold="s3").apply(data, "x")
    assert by_name.splits["val"].names == held[3].splits["val"].names
    assert sorted(n for one in held for n in one.splits["val"].names) == sorted(data.splits["train"].names)


def test_the_fold_becomes_the_val_split_and_test_is_unchanged(small: SkeletonData) -> None:
    view = View(folds=4, fold=1).apply(small, "x")
    assert view.splits["test"] is small.splits["test"]
    assert set(view.splits["val"].names) <= set(small.splits["train"].names)
    both = View(train_splits=["train", "val"], folds=4, fold=1).apply(small, "x")
    assert len(both.splits["train"]) + len(both.splits["val"]) == 56 + 28


def test_selected_and_joined_clips_are_the_same_lazily_and_in_memory(subjects: Path) -> None:
    view = View(train_splits=["val", "train"], folds=3, fold=2)
    in_memory, in_file = (view.apply(read_data(subjects, memory_limit=m), "x").splits["train"] for m in (1e9, 0))
    assert not isinstance(in_file.keypoints, np.ndarray)
    for one in (in_memory, keep_joints(in_memory, [4, 2])):
        other = in_file if one is in_memory else keep_joints(in_file, [4, 2])
        assert (one.names, one.groups) == (other.names, other.groups)
        assert np.array_equal(one.keypoints, np.asarray(other.keypoints))
        assert np.array_equal(one.clip(5), other.clip(5))
        assert np.array_equal(one.keypoints[7:90], other.keypoints[7:90])
        assert np.array_equal(one.keypoints[8], other.keypoints[8])


def test_joined_clips_have_unique_names_and_keep_their_groups() -> None:
    a, b = clips_of([0, 1], ["s0", "s1"]), clips_of([1, 0, 0])
    joined = join({"train": replace(a, filled=np.ones((4, 3), bool)), "val": b})
    assert joined.names == ["clip0000", "clip0001", "val/clip0000", "val/clip0001", "clip0002"]
    assert joined.groups == ["s0", "s1", "clip0000", "clip0001", "clip0002"]
    assert joined.filled.sum(axis=1).tolist() == [3, 3, 3, 3, 0, 0, 0, 0, 0, 0]
    assert take(joined, np.array([4, 1])).keypoints[:, 0, 0].tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ({"folds": 5}, "data.folds needs data.fold;"),
        ({"fold": 0}, "data.fold needs data.folds;"),
        ({"folds": 1, "fold": 0}, "data.folds is 1; use a number of at least 2"),
        ({"folds": "subjects", "fold": 0}, "data.folds is subjects; use a number"),
        ({"folds": 5, "fold": 0}, "data.folds=5 is more than the 4 clips of its largest class"),
        ({"folds": 4, "fold": 4}, "data.fold is 4; with data.folds=4, use 0 to 3"),
        ({"folds": "groups", "fold": "s8"}, "data.fold is s8; with data.folds=groups, use 0 to 6, or one of the gro"),
        ({"train_splits": []}, "data.train_splits is"),
        ({"train_splits": ["train", "dev"]}, "use one or more of train, val, test"),
    ],
)
def test_impossible_folds_are_refused(view, message: str, subjects: Path) -> None:
    with pytest.raises(UserError, match=message):
        View(**view).apply(read_data(subjects), "x.h5")


def test_folds_need_enough_clips_groups_and_splits(small: SkeletonData) -> None:
    with pytest.raises(UserError, match=r"data.folds=3 is more than the 2 groups"):
        fold_of_clips(clips_of([0, 0, 0, 1], ["a", "a", "b", "b"]), 3, seed=1)
    for view, message in (
        (View(folds="groups", fold=0), "the file has none"),
        (View(train_splits=["train", "val"]), "x.h5 has no split val to train on; it has train, test"),
    ):
        data = replace(small, splits={s: c for s, c in small.splits.items() if s != "val"})
        with pytest.raises(UserError, match=message):
            view.apply(data, "x.h5")


def test_a_run_on_a_fold_is_evaluated_on_it_and_logs_it(subjects: Path, tmp_path: Path) -> None:
    options = ("trainer.max_epochs=1", "data.folds=3", "data.fold=1")
    ended = train(tmp_path / "run", subjects, *options)
    assert ended.returncode == 0, ended.stderr
    assert "fold 1: 32 clips to train on, 24 held out of s0, s4, s5" in ended.stdout + ended.stderr
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (state["folds"], state["fold"], state["fold_seed"]) == (3, 1, 1)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["val"]["clips"], metrics["test"]["clips"]) == (24, 28)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    other = train(tmp_path / "run2", subjects, *options[:2], "data.fold=2", f"ckpt_path={last}", "trainer.max_epochs=2")
    assert "data.fold is 2, but the run of" in other.stderr


def test_training_on_val_as_well_skips_validation_and_keeps_the_last_epoch(jhmdb_like: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = train(run, jhmdb_like, "trainer.max_epochs=2", "data.train_splits=[train,val]")
    assert ended.returncode == 0, ended.stderr
    assert "training on train and val: no validation; the last epoch is kept." in ended.stdout + ended.stderr
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    assert list(json.loads((run / "metrics.json").read_text())) == ["test", "about"]
    assert json.loads((run / "run.json").read_text())["selected_on"] is None
