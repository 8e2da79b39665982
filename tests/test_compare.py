"""Comparison of sweeps: every run is listed, n and selection are reported, differences are tested."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import random_scores
from scipy import stats

from mmn.cli.main import main
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, combine, compute_metrics, write_scores
from mmn.reporting.compare import compare
from mmn.reporting.compare_ensembles import weights_from
from mmn.reporting.runs import find_runs


def write_run(
    folder: Path, modality: str, seed: int, scores: Scores, *overrides: str, data: str = "a.h5",
    selected: str = "val/top1", last: float | None = None,
) -> None:  # fmt: skip
    (folder / ".hydra").mkdir(parents=True)
    config = {"modality": {"name": modality}, "seed": seed, "data": {"path": data}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    lines = [f"modality={modality}", f"seed={seed}", *overrides]
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(lines))
    about = {
        "selected_on": selected,
        "epoch": 3,
        "last_epoch": {"epoch": 9, "test": {} if last is None else {"top1": last}},
    }
    (folder / "metrics.json").write_text(json.dumps({"test": compute_metrics(scores), "about": about}))
    write_scores(folder / "scores_test.h5", scores)


def top1(scores: Scores) -> float:
    return compute_metrics(scores)["top1"]


@pytest.fixture
def sweep(tmp_path: Path) -> dict[tuple[str, int], Scores]:
    """Two modalities, three seeds; the third lacks bones."""
    runs = {
        (name, seed): random_scores(120, skill, seed + 10 * len(name))
        for name, skill in (("joint", 2.0), ("bone", 3.2))
        for seed in (1, 2, 3)
    }
    del runs["bone", 3]
    for number, ((name, seed), scores) in enumerate(runs.items()):
        write_run(tmp_path / f"{number}", name, seed, scores, last=50.0 + number)
    return runs


def test_rows_have_n_mean_sample_deviation_and_a_t_interval(sweep: dict, tmp_path: Path) -> None:
    (table,) = compare(tmp_path).tables
    joint, bone, _ = table.rows
    values = [top1(sweep["joint", seed]) for seed in (1, 2, 3)]
    assert joint.runs == [(seed, pytest.approx(value)) for seed, value in zip((1, 2, 3), values, strict=True)]
    assert joint.sd == pytest.approx(pd.Series(values).std())
    assert joint.interval == pytest.approx(stats.t.interval(0.95, 2, pd.Series(values).mean(), stats.sem(values)))
    assert (joint.last, bone.last) == ([50.0, 51.0, 52.0], [53.0, 54.0])
    assert (table.data, table.selected_on) == ("a.h5", "val/top1")


def test_a_seed_without_a_stream_is_named_and_left_out_of_the_ensemble(sweep: dict, tmp_path: Path) -> None:
    (table,) = compare(tmp_path).tables
    ensemble = table.rows[-1]
    assert ensemble.name == "ensemble"
    assert ensemble.values == {s: pytest.approx(top1(combine([sweep["joint", s], sweep["bone", s]]))) for s in (1, 2)}
    assert table.notes == ["seed 3 is left out of the ensemble: bone is missing."]
    assert "seed 3 is left out" in compare(tmp_path).markdown()


def test_settings_are_compared_by_seed_and_by_clip(sweep: dict, tmp_path: Path) -> None:
    (pair,) = compare(tmp_path).tables[0].pairs
    gaps = [top1(sweep["joint", seed]) - top1(sweep["bone", seed]) for seed in (1, 2)]
    assert pair.by_seed == pytest.approx(stats.t.interval(0.95, 1, sum(gaps) / 2, stats.sem(gaps)))
    assert pair.p is not None
    assert pair.p < 0.05
    assert pair.p_holm == pair.p  # one pair
    assert pair.tested == "2 and 2 trained networks"  # the third seed has no counterpart
    assert pair.points == pytest.approx(sum(gaps) / 2)


def test_no_run_is_lost(tmp_path: Path) -> None:
    scores = random_scores(40)
    write_run(tmp_path / "1", "joint", 1, scores)
    write_run(tmp_path / "2", "joint", 1, random_scores(40, seed=2))  # the same command again
    write_run(tmp_path / "3", "joint", 1, scores, "~callbacks")
    write_run(tmp_path / "4", "joint", 1, scores, "+trainer.x=1", "optimizer.lr=0.002")
    write_run(tmp_path / "5", "joint", 1, scores, data="b.h5")
    write_run(tmp_path / "6", "joint", 1, scores, selected="test/top1")
    assert find_runs(tmp_path)[2].overrides["~callbacks"] == "left out"
    comparison = compare(tmp_path)
    assert [(t.data, t.selected_on) for t in comparison.tables] == [
        ("a.h5", "val/top1"), ("b.h5", "val/top1"), ("a.h5", "test/top1")
    ]  # fmt: skip
    assert sum(len(row.runs) for row in comparison.rows if row.name != "ensemble") == 6
    names = [row.name for row in comparison.tables[0].rows]
    assert names[1:3] == ["~callbacks=left out, x=default, lr=default", "~callbacks=default, x=1, lr=0.002"]
    assert len(comparison.tables[0].rows[0].runs) == 2
    assert (
        "epochs selected by test/top1, the metric compared here, which is therefore optimistic" in comparison.markdown()
    )


def test_jobs_are_sorted_by_number(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_run(tmp_path / f"{number}-joint", "joint", number, random_scores(10))
    assert [run.seed for run in find_runs(tmp_path)] == [1, 2, 10]


def test_experiments_with_the_same_modality_are_distinguished(tmp_path: Path) -> None:
    scores = random_scores(40)
    for number, name in enumerate(("own", "jhmdb_joint")):
        write_run(tmp_path / f"{number}", "joint", 1, scores, f"experiment={name}")
    assert [row.name for row in compare(tmp_path).rows][:2] == [
        "joint, experiment=own",
        "joint, experiment=jhmdb_joint",
    ]


def test_results_that_cannot_be_ensembled_are_still_compared(tmp_path: Path) -> None:
    scores = random_scores(40)
    write_run(tmp_path / "1", "joint", 1, scores)
    write_run(tmp_path / "2", "bone", 1, replace(scores, names=[f"other{i}" for i in range(40)]))
    (table,) = compare(tmp_path).tables
    assert [row.name for row in table.rows] == ["joint", "bone"]
    assert "seed 1 has no ensemble: stream 2 and the first have different clips" in table.notes[0]
    assert table.pairs[0].p is None


def test_a_comparison_is_written_as_markdown_json_latex_and_csv(sweep: dict, tmp_path: Path, capsys) -> None:
    main(["compare", str(tmp_path), "--metric", "loss", "--latex", "--csv"])
    out = capsys.readouterr().out
    lines = pd.read_csv(io.StringIO(out))
    assert list(lines.columns) == ["data", "selected_on", "split", "setting", "n", "seed", "loss", "loss_last_epoch"]
    assert len(lines) == 7
    text = (tmp_path / "compare.md").read_text()
    assert "loss on test, nats, lower is better" in text
    assert "mean ± sd" in text
    tex = (tmp_path / "compare.tex").read_text()
    assert r"\begin{tabular}" in tex
    assert r"$\pm$" in tex
    assert "epochs selected by val/top1" in tex
    assert json.loads((tmp_path / "compare.json").read_text())["tables"][0]["rows"]["joint"]["n"] == 3


def test_an_unknown_metric_is_refused_with_the_known_ones(sweep: dict, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"have no test nothing; they have test action_f1_macro.*test top5\."):
        compare(tmp_path, "nothing")
    with pytest.raises(UserError, match="there are no finished runs"):
        find_runs(tmp_path / "0" / ".hydra")


def test_where_ensemble_weights_come_from_is_said() -> None:
    assert weights_from([1, 2], [1, 2], "test") == "fitted on the val split"
    assert weights_from([1], [1, 2], "test") == "fitted on the val split; equal for seed 2, without val scores"
    assert weights_from([], [1], "test") == "equal, as there are no val scores to fit them on"
    assert weights_from([], [1], "val") == "equal, as these are the val scores"
