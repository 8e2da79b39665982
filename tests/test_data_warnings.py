"""What training warns of in the data."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from mmn.data.format.clips import UNKNOWN
from mmn.data.format.selection import take
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.view import View
from mmn.engine.data_warnings import warn_of


def warnings_of(data: SkeletonData, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        warn_of(data)
    return [record.getMessage() for record in caplog.records]


def test_nothing_is_said_of_sound_data(small: SkeletonData, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings_of(small, caplog) == []


def test_groups_in_two_splits_are_named(small: SkeletonData, caplog: pytest.LogCaptureFixture) -> None:
    def grouped(train: list[str], test: list[str]) -> SkeletonData:
        names = {"train": train, "test": test}
        return replace(
            small, splits={s: replace(small.splits[s], groups=(names[s] * 99)[: len(small.splits[s])]) for s in names}
        )

    said = warnings_of(grouped(["a", "b", "c"], ["b"]), caplog)
    assert said == ["group b is in two splits (train, test): metrics will be too optimistic; mmn inspect lists them."]
    (more,) = warnings_of(grouped(["a", "b", "c"], ["b", "c", "d"]), caplog)
    assert more.startswith("group b and 1 other group are in two splits (train, test)")
    held_out = View(folds="groups", fold=0).apply(grouped(["a", "b", "c"], ["d"]), "x")
    assert not [line for line in warnings_of(held_out, caplog) if line.startswith("group")]


def test_copies_of_training_clips_are_named(small: SkeletonData, caplog: pytest.LogCaptureFixture) -> None:
    copied = take(small.splits["train"], np.arange(5))
    (said,) = warnings_of(replace(small, splits={**small.splits, "test": copied}), caplog)
    assert "metrics will be too optimistic" in said


def test_classes_without_a_training_clip_are_named(small: SkeletonData, caplog: pytest.LogCaptureFixture) -> None:
    train = small.splits["train"]
    fewer = take(train, np.flatnonzero(train.labels > 1))
    said = warnings_of(replace(small, splits={**small.splits, "train": fewer}), caplog)
    names = ", ".join(small.classes.names[:2])
    assert said == [f"classes with clips in {split} but none in training: {names}" for split in ("val", "test")]


def test_unlabelled_clips_are_of_no_unseen_class(small: SkeletonData, caplog: pytest.LogCaptureFixture) -> None:
    test = small.splits["test"]
    unlabelled = replace(test, labels=np.full(len(test), UNKNOWN))
    assert warnings_of(replace(small, splits={**small.splits, "test": unlabelled}), caplog) == []
