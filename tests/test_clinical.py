"""Metrics for clinical studies: several files, subjects, grades, sensitivity and specificity."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import in_process
from torch.utils.flop_counter import FlopCounterMode

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.selection import take
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.analysis import analyse, per_class
from mmn.evaluation.by_group import by_group
from mmn.evaluation.grades import grade_metrics
from mmn.evaluation.scores import Scores, read_scores, write_scores
from mmn.inference.checkpoint import load_checkpoint


def scores(labels: list[int], predicted: list[int], k: int = 4, ordinal: bool = False, groups=None) -> Scores:
    names, classes = [f"clip{i}" for i in range(len(labels))], Classes([f"c{i}" for i in range(k)], [], [], [], ordinal)
    return Scores(names, np.array(labels), np.eye(k, dtype=np.float32)[predicted], classes, groups=groups)


def test_groups_are_weighted_equally_and_the_worst_is_named() -> None:
    of = scores([0, 1, 2, 3, 0, 1, 2, -1], [0, 1, 2, 3, 1, 1, 3, 0], groups=["a"] * 4 + ["b"] + ["c"] * 2 + ["d"])
    found = by_group(of)
    assert [(row["name"], row["clips"], row["value"]) for row in found["each"]] == [
        ("b", 1, 0),
        ("c", 2, 50),
        ("a", 4, 100),
    ]
    assert (found["groups"], found["mean"], found["worst"]["name"]) == (3, 50, "b")
    assert found["interval_95"] == [0, 100]
    even = scores([0, 0] * 3, [0, 1] * 3, groups=list("aabbcc"))
    assert by_group(even)["interval_95"] == [50, 50]
    assert by_group(scores([0], [0], groups=["a"]))["interval_95"] is None
    assert by_group(scores([0], [0])) == {}


def test_grades_count_how_far_off_a_prediction_is() -> None:
    found = grade_metrics(scores([0, 1, 2, 3], [0, 2, 2, 0], ordinal=True))
    assert (found["mean_absolute_error"], found["within_one"]) == (1.0, 75.0)
    observed, expected = 1 + 9, sum((a - b) ** 2 for a in range(4) for b in (0, 2, 2, 0)) / 4
    assert found["quadratic_kappa"] == pytest.approx(1 - observed / expected)
    assert grade_metrics(scores([0, 1], [0, 1])) == {}
    assert grade_metrics(scores([1, 1], [1, 1], ordinal=True))["quadratic_kappa"] == 0
    assert "quadratic_kappa" in analyse(scores([0, 1, 2], [0, 1, 1], ordinal=True), draws=20)


def test_sensitivity_and_specificity_of_each_class() -> None:
    rows = per_class(scores([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 2]))
    assert [round(row["recall"], 2) for row in rows] == [66.67, 50, 100, 0]
    assert [round(row["specificity"], 2) for row in rows] == [66.67, 75, 100, 100]


def test_a_layout_declares_that_its_classes_are_grades(small: SkeletonData, tmp_path: Path) -> None:
    text = "joints: [a]\nbones: []\nparts: {all: [a]}\ncentre: a\nclasses: [none, mild, severe]\nordinal: "
    (tmp_path / "x.yaml").write_text(text + "true")
    classes = load_classes(tmp_path / "x.yaml")
    assert classes.ordinal
    (tmp_path / "x.yaml").write_text(text + "yes please")
    with pytest.raises(UserError, match="'yes please' in ordinal; use true"):
        load_classes(tmp_path / "x.yaml")
    clips = Clips.from_arrays([np.zeros((2, 15, 2))] * 3, [0, 1, 2])
    data = replace(small, classes=classes, splits={"train": clips})
    write_data(tmp_path / "x.h5", data)
    assert read_data(tmp_path / "x.h5").classes == classes
    assert View(classes=["none", "severe"]).apply(data, "x").classes.ordinal
    assert not View(classes=["none"], rest="some").apply(data, "x").classes.ordinal
    write_scores(tmp_path / "s.h5", replace(scores([0], [0], 3), classes=classes))
    assert read_scores(tmp_path / "s.h5").classes == classes


def test_bench_reports_the_cost_of_a_network(small_checkpoint: Path, tmp_path: Path) -> None:
    words = ("bench", str(small_checkpoint), "--repeats", "3", "--batch", "2", "--device", "cpu")
    ended = in_process("mmn", *words, "--json", cwd=tmp_path)
    found = json.loads(ended.stdout)
    network = load_checkpoint(small_checkpoint).network
    assert found["parameters"] == sum(p.numel() for p in network.parameters())
    counter = FlopCounterMode(display=False)
    with counter:
        network(torch.zeros(1, 16, 15, 2), torch.zeros(1, 16))
    assert 2 * found["multiply_adds"] == counter.get_total_flops() > 100_000
    for what in ("clip", "frame"):
        assert 0 < found[f"{what}_ms_p50"] <= found[f"{what}_ms_p95"] < 5000
    assert min(found["clips_per_second"], found["peak_memory_mb"]) > 0
    assert "million multiply-adds per clip" in in_process("mmn", *words, cwd=tmp_path).stdout
    assert "use at least 1 for both" in in_process("mmn", *words[:2], "--batch", "0", cwd=tmp_path).stderr


def test_several_files_are_scored_one_by_one_and_together(small_checkpoint: Path, small, tmp_path: Path) -> None:
    test = replace(small.splits["test"], groups=[f"s{i % 4}" for i in range(28)])
    for name, part in (("one", np.arange(10)), ("two", np.arange(10, 28))):
        write_data(tmp_path / f"{name}.h5", replace(small, splits={"test": take(test, part)}))
    write_data(tmp_path / "whole.h5", replace(small, splits={"test": test}))
    lists = {"apart": "[one.h5,two.h5]", "whole": "whole.h5"}
    for folder, files in lists.items():
        ended = in_process(
            "eval.py", f"ckpt_path={small_checkpoint}", f"data.path={files}", f"hydra.run.dir={folder}", cwd=tmp_path
        )
        assert ended.returncode == 0, ended.stderr
    assert "by subject: mean Top-1 of 4 " in ended.stdout
    apart, whole = (read_scores(tmp_path / folder / "scores.h5") for folder in lists)
    assert apart.names == [f"one/{n}" for n in test.names[:10]] + [f"two/{n}" for n in test.names[10:]]
    assert apart.groups[9:11] == ["one/s1", "two/s2"]
    np.testing.assert_allclose(apart.logits, whole.logits, atol=1e-6)  # batches of other sizes
    metrics = [json.loads((tmp_path / folder / "metrics.json").read_text()) for folder in lists]
    assert metrics[0]["test"] == metrics[1]["test"]
    assert list(metrics[0]["about"]["data"]) == ["one", "two"]
    analysis = json.loads((tmp_path / "apart" / "analysis.json").read_text())
    assert {file: row["clips"] for file, row in analysis["by_file"].items()} == {"one": 10, "two": 18}
    assert analysis["by_group"]["groups"] == 8
    wrong = in_process("eval.py", f"ckpt_path={small_checkpoint}", "data.path=[one.h5,one.h5]", cwd=tmp_path)
    assert "data.path lists no files, or two with the same name" in wrong.stderr
