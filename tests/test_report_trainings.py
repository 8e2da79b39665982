"""The report of several folders: folds, seeds, groups."""

import html
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.predictions import chosen
from mmn.evaluation.scores import Source, read_scores, write_scores
from mmn.reporting.report import write_report
from mmn.reporting.result import load_trainings


def test_pooled_folds_are_not_reported_as_the_first_of_them(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    groups = [f"s{i % 3}" for i in range(len(scores.names))]
    for fold in range(3):
        own = np.flatnonzero(np.arange(len(scores.names)) % 3 == fold)
        record = {"data": f"fold{fold}", "epoch": 5 + fold, "modality": "joint"}
        source = Source(data=scores.source.data, split="val", view=View(folds=3, fold=fold), record=record)
        part = replace(chosen(replace(scores, groups=groups), own), source=source)
        write_scores(tmp_path / f"f{fold}" / "scores_val.h5", part)
        last = {"epoch": 9, "val": {"top1": 0.0, "action_f1_macro": 0.0}}
        about = {"epoch": 5 + fold, "selected_on": "val/top1", "last_epoch": last}
        (tmp_path / f"f{fold}" / "metrics.json").write_text(json.dumps({"about": about}))
    result = load_trainings([tmp_path / f"f{fold}" for fold in range(3)], "val")
    place = "fold {} of 3, fold_seed 1"
    assert result.about == {"modality": "joint", "data": {place.format(fold): f"fold{fold}" for fold in range(3)}}
    write_report([tmp_path / f"f{fold}" for fold in range(3)], tmp_path / "r.html", split="val")
    page = html.unescape((tmp_path / "r.html").read_text())
    assert "<title>f0 and 2 more: val</title>" in page
    assert "The clips of pooled folds are not shown." in page
    assert "The last epoch has Top-1" not in page
    assert "2 folders more; the config is the first one's" in page


def test_results_on_different_clips_that_are_no_folds_are_not_pooled(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    write_scores(tmp_path / "x" / "scores.h5", replace(scores, names=[f"other {name}" for name in scores.names]))
    with pytest.raises(UserError, match="2 different sets of clips, 1, 1 of each"):
        load_trainings([evaluated, tmp_path / "x"])


def test_exchanged_groups_are_not_called_mcnemars_test(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    grouped = replace(scores, groups=[f"s{i % 5}" for i in range(len(scores.names))])
    for name, one in (("a", scores), ("b", grouped)):
        write_scores(tmp_path / name / "scores.h5", one)
        write_scores(tmp_path / f"{name}2" / "scores.h5", replace(one, logits=-one.logits))
        write_report([tmp_path / name], tmp_path / f"{name}.html", [tmp_path / f"{name}2"])
    said = ["by McNemar's exact test" in html.unescape((tmp_path / f"{name}.html").read_text()) for name in "ab"]
    assert said == [True, False]
    assert "of whole groups (subjects, recordings)" in (tmp_path / "b.html").read_text()
