"""Per-class metrics, calibration, intervals and weights."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import MA52, random_scores, reference
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
)

from mmn.data.format.classes import Classes
from mmn.evaluation.analysis import analyse, mean_class_accuracy, notes, per_class, risk_coverage
from mmn.evaluation.calibration import calibration
from mmn.evaluation.fit_weights import _step, find_weights
from mmn.evaluation.intervals import share_interval
from mmn.evaluation.predictions import labelled
from mmn.evaluation.scores import Scores, combine, compute_metrics, read_scores, write_scores


@pytest.mark.parametrize("clips", [1, 5, 3000])
def test_class_metrics_match_scikit_learn_with_absent_classes(clips: int) -> None:
    scores = random_scores(clips)
    predicted = scores.logits.argmax(axis=1)
    expected = precision_recall_fscore_support(scores.labels, predicted, labels=np.arange(52), zero_division=0)
    rows = per_class(scores)
    for place, name in enumerate(("precision", "recall", "f1")):
        assert [row[name] for row in rows] == pytest.approx((100 * expected[place]).tolist(), abs=1e-9)
    assert [row["clips"] for row in rows] == expected[3].tolist()
    assert mean_class_accuracy(rows) == pytest.approx(100 * balanced_accuracy_score(scores.labels, predicted), abs=1e-9)


@pytest.mark.parametrize("file", ["ctrgcn_joint_val.txt", "skateformer_joint_val.txt"])
def test_metrics_of_published_predictions_match_scikit_learn(file: str) -> None:
    predicted, labels = np.loadtxt(reference(f"data/ma52_predictions/{file}"), delimiter=",", dtype=np.int64).T
    names = [f"val{i:04d}" for i in range(len(labels))]
    rows = per_class(Scores(names, labels, np.eye(52, dtype=np.float32)[predicted], MA52))
    expected = precision_recall_fscore_support(labels, predicted, labels=np.arange(52), zero_division=0)
    for place, name in enumerate(("precision", "recall", "f1")):
        assert [row[name] for row in rows] == pytest.approx((100 * expected[place]).tolist(), abs=1e-9)
    assert mean_class_accuracy(rows) == pytest.approx(100 * balanced_accuracy_score(labels, predicted), abs=1e-9)


def test_a_calibrated_network_has_a_small_error_and_an_overconfident_one_its_gap() -> None:
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.5, 1.0, 50_000)
    labels = (rng.uniform(size=50_000) > chance).astype(np.int64)
    logits = np.stack([np.log(chance), np.log(1 - chance)], axis=1).astype(np.float32)
    two = Classes(["a", "b"], [], [])
    names = [str(i) for i in range(50_000)]
    assert calibration(Scores(names, labels, logits, two))["ece"] < 1.0
    sure = np.tile(np.float32([20.0, 0.0]), (50_000, 1))
    assert calibration(Scores(names, labels, sure, two))["ece"] == pytest.approx(100 * labels.mean(), abs=0.01)


def test_clips_without_a_label_are_left_out() -> None:
    scores = random_scores(40)
    scores.labels[::2] = -1
    assert len(labelled(scores).names) == 20
    assert sum(row["clips"] for row in analyse(scores, 10)["classes"]) == 20
    scores.labels[:] = -1
    assert analyse(scores) == {}


def test_agreement_and_baselines_match_scikit_learn() -> None:
    scores = random_scores(300)
    result, predicted = analyse(scores, 10), scores.logits.argmax(axis=1)
    assert result["kappa"] == pytest.approx(cohen_kappa_score(scores.labels, predicted))
    assert result["mcc"] == pytest.approx(matthews_corrcoef(scores.labels, predicted))
    counts = np.sort(np.bincount(scores.labels))[::-1]
    assert result["baselines"]["majority"] == pytest.approx({"top1": counts[0] / 3, "top5": counts[:5].sum() / 3})
    assert result["baselines"]["chance"] == pytest.approx({"top1": 100 / 52, "top5": 500 / 52})
    six = Scores(["x"], np.array([0]), np.eye(6, dtype=np.float32)[:1], Classes(list("abcdef"), [], []))
    assert analyse(six, 10)["baselines"]["chance"]["top5"] == pytest.approx(83.333333)
    three = Scores(["x"], np.array([0]), np.eye(3, dtype=np.float32)[:1], Classes(list("abc"), [], []))
    assert analyse(three, 10)["baselines"]["chance"]["top5"] == 100
    assert (analyse(six, 10)["kappa"], result["drawn_by"]) == (0.0, "clip")


def test_risk_is_accumulated_from_the_most_confident_clip() -> None:
    logits = np.float32([[9, 0], [5, 0], [3, 0], [1, 0]])  # decreasingly confident
    curve = risk_coverage(Scores(list("wxyz"), np.array([0, 1, 0, 1]), logits, Classes(["a", "b"], [], [])), 4)
    assert curve["coverage"] == [25, 50, 75, 100]
    assert curve["risk"] == pytest.approx([0, 50, 100 / 3, 50])
    assert curve["aurc"] == pytest.approx((0 + 50 + 100 / 3 + 50) / 4)


def test_each_class_has_an_interval() -> None:
    row = per_class(Scores(list("wxyz"), np.zeros(4, np.int64), np.float32([[1, 0]] * 4), Classes(["a", "b"], [], [])))
    assert row[0]["recall_95"] == pytest.approx([100 * 0.025**0.25, 100])
    assert row[1]["recall_95"] == row[1]["precision_95"] == [0, 100]
    fewer = Scores(
        list("wxyz"), np.zeros(4, np.int64), np.float32([[1, 0]] * 3 + [[0, 1]]), Classes(["a", "b"], [], [])
    )
    row = per_class(fewer)
    assert row[0]["recall_95"] == pytest.approx(share_interval(3 / 4, 4))
    assert row[0]["precision_95"] == pytest.approx(share_interval(1, 3))


def test_caveats_are_listed() -> None:
    labels = np.repeat(np.arange(3), [30, 30, 4])
    logits = np.eye(52, dtype=np.float32)[labels]
    logits[0] = np.eye(52)[51]
    scores = Scores([f"c{i}" for i in range(64)], labels, logits, MA52, groups=["p"] * 32 + ["q"] * 32)
    caveats = notes(scores)
    assert caveats[0].startswith("1 class has fewer than 10 clips (such as")
    assert caveats[1] == "49 of the 52 classes have no clips here."
    assert "lower action F1 macro by 24.86 points; over the classes present it is 99.44" in caveats[2]
    assert "2 groups" in caveats[3]
    assert notes(random_scores(3000)) == []


def test_weights_favour_the_better_stream_and_their_sum_is_1() -> None:
    streams = [random_scores(1000, skill, seed) for seed, skill in enumerate((3.0, 0.5, 2.5))]
    fitted = find_weights(streams)
    assert sum(fitted.weights) == pytest.approx(1.0)
    assert fitted.weights[0] > fitted.weights[2] > fitted.weights[1]
    together = compute_metrics(combine(streams, fitted.weights))["top1"]
    assert together > max(compute_metrics(stream)["top1"] for stream in streams)
    assert fitted.clips == 1000
    assert fitted.gain == pytest.approx(together - compute_metrics(combine(streams))["top1"], abs=3)


def test_similar_streams_get_equal_weights_and_the_gain_is_held_out() -> None:
    fitted = find_weights([random_scores(150, 1.5, seed) for seed in range(4)])
    assert fitted.step == 0.0
    assert max(fitted.weights) < 0.35
    assert fitted.gain < 2.5


def test_weights_differ_from_equal_ones_only_for_a_clearly_lower_loss() -> None:
    clips = np.tile([0.0, 2.0], 50)
    unclear = clips - 0.05 + np.tile([0.9, -0.9, -0.9, 0.9], 25)
    assert _step(np.stack([clips, unclear, clips])) == 0
    assert _step(np.stack([clips, clips - 0.2, clips])) == 1


def test_the_scale_of_a_stream_has_no_effect() -> None:
    streams = [random_scores(600, 2.0, seed) for seed in range(3)]
    loud = [*streams[:2], replace(streams[2], logits=streams[2].logits * 1000)]
    plain, scaled = find_weights(streams), find_weights(loud)
    top1 = [compute_metrics(combine(s, w.weights))["top1"] for s, w in ((streams, plain), (loud, scaled))]
    assert top1[1] == pytest.approx(top1[0], abs=1.0)
    assert compute_metrics(combine(loud))["top1"] < top1[1] - 5


def test_scores_are_read_as_they_were_written(tmp_path) -> None:
    scores = random_scores(30)
    write_scores(tmp_path / "s.h5", scores)
    again = read_scores(tmp_path / "s.h5")
    assert (again.names, again.classes) == (scores.names, scores.classes)
    np.testing.assert_array_equal(again.logits, scores.logits)
    np.testing.assert_array_equal(again.labels, scores.labels)
