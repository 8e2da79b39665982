"""Folds of the training clips, and training on several splits."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from commands import in_process, train

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.selection import join, keep_joints, take
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.folds import fold_of_clips
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.folds import pooled, trainings
from mmn.evaluation.scores import Scores, compute_metrics, read_scores, write_scores
from mmn.reporting.compare_folds import compare_folds


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


def sweep(folder: Path, *others: str, folds: int = 2, seeds: int = 1, better: float = 0.0) -> None:
    """Write the outputs of runs over folds of twelve clips, with random scores."""
    names = [f"clip{i:02d}" for i in range(12)]
    labels, classes = np.arange(12) % 3, Classes(["a", "b", "c"], [], [])
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 1, (12, 3)) + better * np.eye(3)[labels]
        for fold in range(folds):
            run = folder / f"{fold}-{seed}"
            (run / ".hydra").mkdir(parents=True)
            own = [i for i in range(12) if i % folds == fold]
            scores = Scores([names[i] for i in own], labels[own], logits[own].astype(np.float32), classes)
            write_scores(run / "scores_val.h5", scores)
            last = {"val": {**compute_metrics(scores), "top1": 10.0 * (fold + 1)}}
            about = {"selected_on": "val/top1", "last_epoch": last}
            (run / "metrics.json").write_text(json.dumps({"val": compute_metrics(scores), "about": about}))
            config = {"seed": seed, "modality": {"name": "joint"}, "data": {"folds": folds, "fold": fold}}
            (run / "config.yaml").write_text(yaml.safe_dump(config))
            overrides = [f"seed={seed}", f"data.folds={folds}", f"data.fold={fold}", *others]
            (run / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))


def test_metrics_are_computed_on_the_pooled_scores_of_all_folds(tmp_path: Path) -> None:
    sweep(tmp_path / "a", seeds=2, better=0.5)
    sweep(tmp_path / "b", folds=3)
    comparison = compare_folds(tmp_path / "a", "top1", tmp_path / "a")
    row = comparison.rows[0]
    assert (row.name, row.folds, sorted(row.scores[0].names)) == ("joint", 2, [f"clip{i:02d}" for i in range(12)])
    assert comparison.against["joint"][0] == 0
    ended = in_process("mmn", "compare", "a", "--against", "b", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    written = json.loads((tmp_path / "a" / "compare.json").read_text())
    whole = [compute_metrics(pooled([read_scores(tmp_path / f"a/{f}-{s}/scores_val.h5") for f in (0, 1)]))["top1"]
             for s in (0, 1)]  # fmt: skip
    assert list(written["pooled"]["joint"]["seeds"].values()) == whole
    assert (written["pooled"]["joint"]["clips"], written["pooled"]["joint"]["folds"]) == (12, 2)
    assert f"{np.mean(whole):.2f} ± {np.std(whole, ddof=1):.2f}" in ended.stdout


def test_settings_of_one_sweep_are_compared_with_its_first(tmp_path: Path) -> None:
    sweep(tmp_path / "a", "name=x", folds=5)
    sweep(tmp_path / "b", "name=y", folds=5, better=5.0)
    comparison = compare_folds(tmp_path)
    assert comparison.baseline == "name=x"
    points = [compute_metrics(row.scores[0])["top1"] for row in comparison.rows]
    assert {name: lead[0] for name, lead in comparison.against.items()} == {"name=y": points[1] - points[0]}
    assert "| against name=x |" in comparison.markdown()
    # folds of 3, 3, 2, 2 and 2 clips
    assert comparison.rows[0].last_epoch["top1"] == pytest.approx((3 * 10 + 3 * 20 + 2 * 30 + 2 * 40 + 2 * 50) / 12)


def test_folds_are_written_as_latex_and_csv_too(tmp_path: Path) -> None:
    sweep(tmp_path / "a", "name=x_&_y", seeds=2)
    sweep(tmp_path / "a" / "more", "name=z")
    ended = in_process("mmn", "compare", "a", "--latex", "--csv", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lines = pd.read_csv(tmp_path / "a" / "compare.csv")
    assert list(lines.columns) == ["setting", "folds", "clips", "n", "selected_on", "seed", "top1"]
    assert lines[["setting", "n", "seed"]].values.tolist() == [
        ["name=x_&_y", 2, 0],
        ["name=x_&_y", 2, 1],
        ["name=z", 1, 0],
    ]
    assert set(lines["selected_on"]) == {"val/top1"}
    tex = (tmp_path / "a" / "compare.tex").read_text()
    assert r"name=x\_\&\_y & 2 & 12 & 2 & " in tex
    assert r"$\pm$" in tex
    assert "of every training clip, out of fold" in tex


def test_results_on_the_same_clips_are_trainings_and_those_on_others_are_folds(tmp_path: Path) -> None:
    sweep(tmp_path, folds=3, seeds=2)
    runs = [[read_scores(tmp_path / f"{fold}-{seed}" / "scores_val.h5") for fold in range(3)] for seed in range(2)]
    found = trainings([*runs[0], *runs[1]])
    assert [one.names for one in found] == [pooled(run).names for run in runs]
    np.testing.assert_array_equal(found[1].logits, pooled(runs[1]).logits)
    assert trainings([runs[0][0], runs[1][0]]) == [runs[0][0], runs[1][0]]
    with pytest.raises(UserError, match="3 different sets of clips, 1, 1, 2 of each; give results on the same clips"):
        trainings([*runs[0], runs[1][2]])
    of_three = replace(runs[0][0].source, view=View(folds=3, fold=0))
    with pytest.raises(UserError, match="2 different sets of clips, 1, 1 of each"):
        trainings([replace(runs[0][0], source=of_three), runs[0][1]])


def test_incomplete_folds_are_named_and_left_out(tmp_path: Path) -> None:
    sweep(tmp_path, "optimizer.lr=0.1", folds=3, seeds=2)
    shutil.rmtree(tmp_path / "1-0")
    comparison = compare_folds(tmp_path)
    assert list(comparison.rows[0].scores) == [1]
    assert comparison.notes == ["joint, seed 0, is left out: fold 1 of 3 is missing."]
    (tmp_path / "2-1" / "scores_val.h5").unlink()
    with pytest.raises(UserError, match=r"no setting in .* has scores of all its folds: joint, seed 0"):
        compare_folds(tmp_path)
    with pytest.raises(UserError, match="clip clip00 is in two folds"):
        pooled([read_scores(tmp_path / "0-0" / "scores_val.h5")] * 2)


def test_training_on_val_as_well_skips_validation_and_keeps_the_last_epoch(jhmdb_like: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = train(run, jhmdb_like, "trainer.max_epochs=2", "data.train_splits=[train,val]")
    assert ended.returncode == 0, ended.stderr
    assert "training on train and val: no validation; the last epoch is kept." in ended.stdout + ended.stderr
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    assert list(json.loads((run / "metrics.json").read_text())) == ["test", "about"]
    assert json.loads((run / "run.json").read_text())["selected_on"] is None
