"""The report: one self-contained page with every section, and the analyses behind it."""

import html
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_scores

from mmn.cli.main import main
from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.errors import error_analysis, likely_label_errors, motion
from mmn.evaluation.gates import Gates
from mmn.evaluation.paired import paired
from mmn.evaluation.scores import Scores, Source, combine, compute_metrics, read_scores, write_scores
from mmn.reporting import report_clips
from mmn.reporting.report import write_report
from mmn.reporting.report_clips import worst_clips
from mmn.reporting.result import Result, load_result


def test_the_page_has_every_section_and_needs_no_network(evaluated: Path) -> None:
    main(["report", str(evaluated)])
    page = (evaluated / "report.html").read_text()
    assert len(page) < 5_000_000
    for section in ("metrics", "confusion", "classes", "calibration", "mistakes", "gates", "errors", "provenance"):
        assert f'<section id="{section}">' in page
    tags = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="https?://', tags)
    assert not re.search(r"<script[^>]* src=", page)
    assert "sha256" in page
    assert page.count('class="card player"') == 6
    assert "training clips of the class" in page


def test_without_data_or_checkpoint_the_metrics_are_still_reported(evaluated: Path, tmp_path: Path) -> None:
    shutil.copy(evaluated / "scores.h5", tmp_path / "scores.h5")
    scores = random_scores(200)
    write_scores(tmp_path / "scores.h5", scores)
    write_report([tmp_path], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "The data file is missing or has changed; its clips are not shown." in page
    assert '<section id="mistakes">' not in page
    assert "F1 mean" in page


def test_two_results_are_shown_side_by_side_with_the_clips_that_differ(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    order = np.random.default_rng(0).permutation(len(scores.names))
    better = scores.logits[order] + 3 * np.eye(14, dtype=np.float32)[scores.labels[order]]
    other = replace(scores, names=[scores.names[i] for i in order], labels=scores.labels[order], logits=better)
    write_scores(tmp_path / "scores.h5", other)
    main(["report", str(tmp_path), "--against", str(evaluated)])
    page = (tmp_path / f"report-against-{evaluated.name}.html").read_text()
    result = paired(other, scores, 50)
    assert result["right"]["second"] == 0
    assert sum(result["right"].values()) == 56
    assert len(result["won"]) == result["right"]["first"] > 0
    assert f"The {len(result['won'])} clips that only" in page
    gain = result["differences"]["top1"]
    assert gain.points == pytest.approx(100 * result["right"]["first"] / 56)
    assert 0 < gain.low <= gain.points <= gain.high
    assert "more than chance" in page
    assert "It applies to these two trained networks" in page
    assert page.count('class="card player"') == 12


def test_several_trainings_per_side_are_compared(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    folders = [tmp_path / name for name in ("a1", "a2", "a3", "b1", "b2")]
    for seed, folder in enumerate(folders):
        noise = np.random.default_rng(seed).normal(0, 1, scores.logits.shape).astype(np.float32)
        write_scores(folder / "scores.h5", replace(scores, logits=scores.logits + noise))
    main(["report", *map(str, folders[:3]), "--against", *map(str, folders[3:])])
    page = (tmp_path / "a1" / "report-against-b1.html").read_text()
    assert "<title>a1 and 2 more against b1 and 1 more: test</title>" in page
    assert "It applies to 3 and 2 trained networks" in page
    assert "by Obuchowski and Rockette's test over trainings and clips" in html.unescape(page)
    assert "Right in both" not in page
    values = [compute_metrics(read_scores(folder / "scores.h5"))["top1"] for folder in folders[:3]]
    row = f"<td>mean ± standard deviation</td><td>{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f} %</td>"
    assert row in page
    difference = paired(*([read_scores(f / "scores.h5") for f in side] for side in (folders[:3], folders[3:])), 50)
    assert f"{difference['differences']['top1'].points:+.2f} [" in page


def test_results_on_other_clips_are_shown_and_not_compared(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    fewer = replace(scores, names=scores.names[:30], labels=scores.labels[:30], logits=scores.logits[:30])
    write_scores(tmp_path / "scores.h5", fewer)
    write_report([evaluated], tmp_path / "r.html", [tmp_path])
    page = (tmp_path / "r.html").read_text()
    assert "cannot be compared clip by clip: stream 2 and the first have different clips" in page


def test_an_ensemble_shows_its_streams_and_the_labels_they_all_contradict(evaluated: Path, tmp_path: Path) -> None:
    scores = read_scores(evaluated / "scores.h5")
    sure = np.zeros_like(scores.logits)
    sure[np.arange(56), scores.labels] = 9
    sure[4] = np.roll(sure[4], 1)
    streams = [
        replace(scores, logits=sure, source=replace(scores.source, checkpoints=(str(evaluated / name),)))
        for name in ("net.ckpt", "gone.ckpt")
    ]
    for number, stream in enumerate(streams, start=1):
        write_scores(tmp_path / "streams" / f"{number}.h5", stream)
    write_scores(tmp_path / "scores.h5", combine(streams, [0.5, 0.5]))
    write_report([tmp_path], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "gone.ckpt" in page
    suspects = page[page.index('<section id="labels">') : page.index('<section id="provenance">')]
    assert "all 2 networks confidently contradict" in suspects
    assert suspects.count("<tr>") == 2
    assert scores.names[4] in suspects
    assert '<section id="gates">' in page


def test_folders_that_cannot_be_reported_are_refused(evaluated: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no scores"):
        write_report([tmp_path], tmp_path / "r.html")
    scores = random_scores(5)
    scores.labels[:] = -1
    write_scores(tmp_path / "scores.h5", scores)
    with pytest.raises(UserError, match="has no labelled clip"):
        write_report([tmp_path], tmp_path / "r.html", [evaluated])
    assert not (tmp_path / "r.html").exists()


def test_unlabelled_clips_are_listed_least_confident_first(tmp_path: Path) -> None:
    logits = np.float32([[0, 3, 0], [0, 0, 9], [0, 1, 0]])
    classes = Classes(["sit", "stand", "<wave>"], [], [])
    write_scores(tmp_path / "scores.h5", Scores(["x", "y", "z"], np.full(3, -1), logits, classes))
    main(["report", str(tmp_path)])
    page = (tmp_path / "report.html").read_text()
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td>", page)
    assert rows[:2] == [("stand", "2"), ("&lt;wave&gt;", "1")]
    assert [row[0] for row in rows[2:]] == ["z", "x", "y"]
    assert rows[2][1] == "stand 57.6 %"
    assert "3 unlabelled clips" in page


def test_a_comparison_does_not_replace_the_page_of_the_result(evaluated: Path, tmp_path: Path) -> None:
    shutil.copytree(evaluated, tmp_path / "one")
    shutil.copytree(evaluated, tmp_path / "two")
    (tmp_path / "one" / "report.html").write_text("kept")
    main(["report", str(tmp_path / "one"), "--against", str(tmp_path / "two")])
    assert (tmp_path / "one" / "report.html").read_text() == "kept"
    assert "two" in (tmp_path / "one" / "report-against-two.html").read_text()


def test_the_worst_clips_give_their_class_the_lowest_probability(small: SkeletonData) -> None:
    clips = small.splits["test"]
    logits = np.zeros((28, 14), np.float32)
    logits[np.arange(28), clips.labels] = 5
    for rank, i in enumerate((20, 3, 11)):  # decreasingly wrong
        logits[i] = 0
        logits[i, (clips.labels[i] + 1) % 14] = 9 - 3 * rank
    scores = Scores(clips.names, clips.labels, logits, small.classes)
    shown, _ = worst_clips(Result(Path(), "test", scores, [], small, None, [scores]), scores)
    assert [row["name"] for row in shown] == [clips.names[i] for i in (20, 3, 11)]
    assert [row["predicted"] for row in shown] == [small.classes.names[(clips.labels[i] + 1) % 14] for i in (20, 3, 11)]
    assert [chance for _, chance in shown[0]["top"]] == sorted((c for _, c in shown[0]["top"]), reverse=True)


def test_each_joint_shows_its_own_weight(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = load_result(evaluated)
    layout = result.data.layout
    in_order = torch.arange(15.0).expand(1, 3, 15) / 100  # weight of the joint at each index in network order
    gates = Gates(in_order, torch.zeros(1, 3, 16), torch.full((1, 4), 0.25))
    monkeypatch.setattr(report_clips, "gate_weights", lambda *_: gates)
    drawn = report_clips.gates_on_a_clip(result, [])
    titles = re.findall(r"<title>(.*?)</title>", drawn["skeletons"][0][1])
    expected = [layout.order.index(joint) / 100 for joint in range(15)]
    assert [float(title) for title in titles] == pytest.approx(expected, abs=1e-3)
    assert drawn["scales"] == "1/1 0.25, 1/2 0.25, 1/4 0.25, 1/8 0.25"


def test_label_errors_need_all_streams_and_clips_that_were_not_trained_on() -> None:
    scores = random_scores(30, skill=30.0)
    wrong = scores.labels.copy()
    wrong[4] = (wrong[4] + 1) % 52
    streams = [Scores(scores.names, wrong, logits, scores.classes) for logits in (scores.logits, scores.logits / 4)]
    chances = [torch.from_numpy(one.logits[4]).double().softmax(dim=0).max() for one in streams]
    (found,) = likely_label_errors(streams)
    assert found["probability"] == pytest.approx(100 * min(chances).item())
    assert likely_label_errors(streams, least=0.999) == []
    trained = [replace(one, source=Source(split="train")) for one in streams]
    assert likely_label_errors(trained) == []


def test_long_clips_are_subsampled_evenly(small: SkeletonData) -> None:
    clips = Clips.from_arrays([np.linspace(-4, 1, 5000 * 30).clip(0).reshape(5000, 15, 2)], names=["long"])
    data = replace(small, splits={"test": clips})
    scores = Scores(["long"], np.array([3]), np.eye(14, dtype=np.float32)[:1], small.classes)
    shown, players = worst_clips(Result(Path(), "test", scores, [], data, None, [scores]), scores)
    assert shown[0]["frames"] == len(players["clips"][0]) == 200
    assert (players["clips"][0][0][0], players["clips"][0][-1][-2]) == (50, 950)


def test_errors_by_property_count_every_clip_once(evaluated: Path) -> None:
    data = read_data(evaluated / "x.h5")
    test = data.splits["test"]
    scores = Scores(test.names, test.labels, np.eye(14, dtype=np.float32)[test.labels], data.classes)
    for rows in error_analysis(scores, data, "test").values():
        assert sum(row["clips"] for row in rows) == 56
        assert all(row["accuracy"] == 100 for row in rows)
    assert motion(test, 0) > 0


def test_labels_all_streams_contradict_are_listed_most_confident_first() -> None:
    scores = random_scores(50, skill=30.0)
    wrong = scores.labels.copy()
    wrong[[3, 8]] = (wrong[[3, 8]] + 1) % 52
    streams = [Scores(scores.names, wrong, logits, scores.classes) for logits in (scores.logits, 2 * scores.logits)]
    found = likely_label_errors(streams)
    assert {row["clip"] for row in found} == {"clip3", "clip8"}
    assert all(row["probability"] > 99 for row in found)
