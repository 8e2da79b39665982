"""Sweeps over folds: pooled scores, comparisons, tables."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import in_process

from mmn.data.format.classes import Classes
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.folds import pooled, trainings
from mmn.evaluation.scores import Scores, Source, compute_metrics, read_scores, write_scores
from mmn.reporting.compare_folds import compare_folds


def sweep(
    folder: Path, *others: str, folds: int = 2, seeds: int = 1, better: float = 0.0, file: str = "x.h5",
    groups: bool = False, clips: str = "clip",
) -> None:  # fmt: skip
    """Write the outputs of runs over folds of twelve clips, with random scores; or one fold per group."""
    names = [f"{clips}{i:02d}" for i in range(12)]
    labels, classes = np.arange(12) % 3, Classes(["a", "b", "c"], [], [])
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 1, (12, 3)) + better * np.eye(3)[labels]
        for fold in range(folds):
            run = folder / f"{fold}-{seed}"
            (run / ".hydra").mkdir(parents=True)
            own = [i for i in range(12) if i % folds == fold]
            of, subject = ("groups" if groups else folds), [f"s{fold}"] * len(own) if groups else None
            source = Source(view=View(folds=of, fold=fold), record={"data": f"{file} {of} {fold}"})
            kept = logits[own].astype(np.float32)
            scores = Scores([names[i] for i in own], labels[own], kept, classes, source, subject)
            write_scores(run / "scores_val.h5", scores)
            last = {"val": {**compute_metrics(scores), "top1": 10.0 * (fold + 1)}}
            about = {"selected_on": "val/top1", "last_epoch": last}
            (run / "metrics.json").write_text(json.dumps({"val": compute_metrics(scores), "about": about}))
            config = {"seed": seed, "modality": {"name": "joint"}, "data": {"path": file, "folds": of, "fold": fold}}
            (run / "config.yaml").write_text(yaml.safe_dump(config))
            overrides = [f"seed={seed}", f"data.folds={of}", f"data.fold={fold}", *others]
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
    assert "of the training clips, out of fold" in tex


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
    shutil.rmtree(tmp_path / "0-0")  # seed 0 has only fold 2, seed 1 only folds 0 and 1
    with pytest.raises(UserError, match=r"no setting in .* has scores of all its folds: joint, seed 0"):
        compare_folds(tmp_path)


def test_settings_that_all_lack_folds_are_compared_on_those_they_have_in_common(tmp_path: Path) -> None:
    sweep(tmp_path, "optimizer.lr=0.1", folds=3, seeds=2)
    shutil.rmtree(tmp_path / "1-0")
    shutil.rmtree(tmp_path / "2-1")
    comparison = compare_folds(tmp_path)
    assert comparison.notes == ["Only on the clips of fold 0 of 3: no setting has all folds."]
    assert comparison.rows[0].scores[1].names == read_scores(tmp_path / "0-1" / "scores_val.h5").names
    sweep(tmp_path / "other", folds=4)
    shutil.rmtree(tmp_path / "other" / "1-0")
    with pytest.raises(UserError, match=r"no setting in .* has scores of all its folds"):
        compare_folds(tmp_path)  # fold 0 of 3 and fold 0 of 4 are different clips


def test_a_clip_in_two_folds_is_refused(tmp_path: Path) -> None:
    sweep(tmp_path)
    with pytest.raises(UserError, match="clip clip00 is in two folds"):
        pooled([read_scores(tmp_path / "0-0" / "scores_val.h5")] * 2)


def test_a_missing_group_is_noticed(tmp_path: Path) -> None:
    sweep(tmp_path / "a", "name=x", folds=4, groups=True)
    sweep(tmp_path / "b", "name=y", folds=4, groups=True)
    shutil.rmtree(tmp_path / "b" / "2-0")
    comparison = compare_folds(tmp_path)
    assert [row.name for row in comparison.rows] == ["name=x"]
    assert comparison.notes == ["name=y, seed 0, is left out: 1 of 4 groups (s2) are missing."]
    path = tmp_path / "b" / "0-0" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"about": {"groups": 4}}))
    shutil.rmtree(tmp_path / "a")
    assert compare_folds(tmp_path).notes == [
        "Only on the clips of fold s0, s1, s3 of groups: no setting has all folds."
    ]


def test_folds_of_different_files_are_not_pooled(tmp_path: Path) -> None:
    sweep(tmp_path / "a", file="one.h5")
    sweep(tmp_path / "b", file="other.h5", clips="video")
    comparison = compare_folds(tmp_path)
    assert [(row.name, row.folds, len(row.scores[0].names)) for row in comparison.rows] == [
        ("joint, data=one.h5", 2, 12),
        ("joint, data=other.h5", 2, 12),
    ]
    (note,) = comparison.notes
    assert note == "joint, data=other.h5 and joint, data=one.h5 are not compared: they have no clip in common."


def test_different_divisions_of_the_same_clips_are_compared(tmp_path: Path) -> None:
    sweep(tmp_path / "a", folds=2)
    sweep(tmp_path / "b", folds=3, better=5.0)
    sweep(tmp_path / "c", "name=x", folds=3, file="changed.h5")
    assert compare_folds(tmp_path / "a", against=tmp_path / "b").against["joint"][0] < 0
    (note,) = compare_folds(tmp_path / "c", against=tmp_path / "b").notes
    assert "are not compared: the results are from data files with different content" in note
    shutil.rmtree(tmp_path / "b" / "1-0")
    comparison = compare_folds(tmp_path / "b", against=tmp_path / "a")
    assert comparison.against["joint"][0] > 0
    assert comparison.notes[-1] == f"joint and {tmp_path / 'a'} are compared on the 8 clips that both have."


def test_only_runs_over_folds_are_pooled_and_of_two_of_one_fold_the_later(tmp_path: Path) -> None:
    sweep(tmp_path / "a")
    sweep(tmp_path / "b", better=5.0)
    plain = yaml.safe_load((tmp_path / "b/0-0/config.yaml").read_text()) | {"data": {"path": "x.h5"}}
    (tmp_path / "b/0-0/config.yaml").write_text(yaml.safe_dump(plain))
    comparison = compare_folds(tmp_path)
    assert comparison.notes == [
        "1 run without folds left out.",
        "joint, seed 0, has two runs of fold 1: 1-0 counts.",
    ]
    kept = [read_scores(tmp_path / run / "scores_val.h5") for run in ("a/0-0", "b/1-0")]
    np.testing.assert_array_equal(comparison.rows[0].scores[0].logits, pooled(kept).logits)


def test_only_means_over_clips_have_a_last_epoch_and_folds_have_no_split(tmp_path: Path) -> None:
    sweep(tmp_path, seeds=2)
    assert "last epoch" in compare_folds(tmp_path).frame()
    assert "95 % (first seed)" in compare_folds(tmp_path).frame()
    macro = compare_folds(tmp_path, "action_f1_macro")
    assert "last epoch" not in macro.frame()
    assert macro.as_dict()["pooled"]["joint"]["last_epoch"] is None
    ended = in_process("mmn", "compare", str(tmp_path), "--split", "test", cwd=tmp_path)
    assert (ended.returncode, "leave out --split" in ended.stderr) == (1, True)
