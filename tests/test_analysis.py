"""Per-class figures, calibration, intervals and weights."""

import numpy as np
import pytest
from conftest import reference
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support

from mmn.data.format.layout import Classes, load_classes
from mmn.evaluation.analysis import analyse, calibration, intervals, labelled, mean_class_accuracy, per_class
from mmn.evaluation.fit_weights import find_weights
from mmn.evaluation.scores import Scores, combine, figures, read_scores, write_scores

MA52 = load_classes("ma52")


def random_scores(clips: int, skill: float = 2.0, seed: int = 0, classes: Classes = MA52) -> Scores:
    rng = np.random.default_rng(seed)
    k = len(classes.names)
    labels = np.random.default_rng(99).integers(0, k, clips)
    logits = rng.normal(size=(clips, k)).astype(np.float32)
    logits[np.arange(clips), labels] += skill
    return Scores([f"clip{i}" for i in range(clips)], labels, logits, classes)


@pytest.mark.parametrize("clips", [1, 5, 3000])
def test_classes_are_scikit_learns_absent_ones_too(clips: int) -> None:
    scores = random_scores(clips)
    predicted = scores.logits.argmax(axis=1)
    expected = precision_recall_fscore_support(scores.labels, predicted, labels=np.arange(52), zero_division=0)
    rows = per_class(scores)
    for place, name in enumerate(("precision", "recall", "f1")):
        assert [row[name] for row in rows] == pytest.approx((100 * expected[place]).tolist(), abs=1e-9)
    assert [row["clips"] for row in rows] == expected[3].tolist()
    assert mean_class_accuracy(rows) == pytest.approx(100 * balanced_accuracy_score(scores.labels, predicted), abs=1e-9)


@pytest.mark.parametrize("file", ["ctrgcn_joint_val.txt", "skateformer_joint_val.txt"])
def test_real_predictions_of_micro_actions_are_scikit_learns_too(file: str) -> None:
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


def test_intervals_hold_the_figure_and_shrink_with_more_clips() -> None:
    widths = []
    for clips in (100, 2000):
        scores = random_scores(clips)
        low, high = intervals(scores, resamples=300)["top1"]
        assert low <= figures(scores)["top1"] <= high
        widths.append(high - low)
    share = figures(random_scores(2000))["top1"] / 100
    assert widths[1] == pytest.approx(100 * 2 * 1.96 * np.sqrt(share * (1 - share) / 2000), rel=0.2)
    assert widths[0] > 2 * widths[1]
    assert set(intervals(random_scores(50), 10)) == set(figures(random_scores(50))) - {"clips", "loss"}


def test_clips_without_a_label_are_left_out() -> None:
    scores = random_scores(40)
    scores.labels[::2] = -1
    assert len(labelled(scores).names) == 20
    assert sum(row["clips"] for row in analyse(scores, 10)["classes"]) == 20
    scores.labels[:] = -1
    assert analyse(scores) == {}


def test_weights_favour_the_better_stream_and_their_sum_is_1() -> None:
    streams = [random_scores(2000, skill, seed) for seed, skill in enumerate((3.0, 1.0, 2.5))]
    weights = find_weights(streams)
    assert sum(weights) == pytest.approx(1.0)
    assert weights[0] > weights[1]
    together = figures(combine(streams, weights))["top1"]
    assert together > max(figures(stream)["top1"] for stream in streams)


def test_scores_are_read_as_they_were_written(tmp_path) -> None:
    scores = random_scores(30)
    write_scores(tmp_path / "s.h5", scores)
    again = read_scores(tmp_path / "s.h5")
    assert (again.names, again.classes) == (scores.names, scores.classes)
    np.testing.assert_array_equal(again.logits, scores.logits)
    np.testing.assert_array_equal(again.labels, scores.labels)
