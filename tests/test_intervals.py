"""Intervals have their nominal coverage, and metrics of counts equal those of clips."""

import runpy
from dataclasses import replace

import numpy as np
import pytest
from commands import ROOT
from conftest import MA52, random_scores
from scipy.stats import binomtest

from mmn.data.format.classes import Classes
from mmn.evaluation.calibration import calibration, fit_temperature
from mmn.evaluation.intervals import basic, drawn, groups_of, intervals, observed, proportion, share_interval
from mmn.evaluation.paired import paired
from mmn.evaluation.scores import Scores, compute_metrics

TWO = Classes(["a", "b"], [], [])


def right_of(right: np.ndarray, groups: list[str] | None = None) -> Scores:
    """Scores of two classes that are right where ``right`` is True."""
    labels = np.arange(len(right)) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
    return Scores([f"clip{i}" for i in range(len(right))], labels, logits, TWO, groups=groups)


@pytest.mark.parametrize("clips", [1, 7, 400])
def test_metrics_of_counts_equal_those_of_clips(clips: int) -> None:
    scores = random_scores(clips)
    expected = compute_metrics(scores)
    assert {"clips": clips, "loss": expected["loss"], **observed(scores)} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("hits", "clips"), [(20, 20), (0, 20), (150, 176), (3, 7)])
def test_a_share_of_clips_has_agresti_and_coulls_interval(hits: int, clips: int) -> None:
    right = np.arange(clips) < hits
    more = 1.959964**2
    centre = (hits + more / 2) / (clips + more)
    half = 1.959964 * np.sqrt(centre * (1 - centre) / (clips + more))
    expected = [100 * max(centre - half, 0), 100 * min(centre + half, 1)]
    assert proportion(right, np.arange(clips)) == pytest.approx(expected, abs=1e-4)
    assert intervals(right_of(right), 10)["top1"] == pytest.approx(expected, abs=1e-4)
    assert share_interval(hits / clips, clips) == pytest.approx(expected, abs=1e-4)


def test_a_share_of_very_few_clips_has_its_exact_interval() -> None:
    bounds = binomtest(4, 5).proportion_ci(method="exact")
    assert share_interval(4 / 5, 5) == pytest.approx([100 * bounds.low, 100 * bounds.high])
    assert share_interval(0.5, 0) == [0.0, 100.0]


def test_the_basic_interval_reflects_the_draws_and_stays_a_percentage() -> None:
    samples = np.linspace(60, 80, 100_001)  # 2.5 % at 60.5, 97.5 % at 79.5
    assert basic(75.0, samples, 10**9) == pytest.approx([70.5, 89.5], abs=1e-3)
    assert basic(95.0, samples + 15, 10**9) == [pytest.approx(95.5, abs=1e-3), 100.0]
    wider = basic(75.0, samples, 5)  # sqrt(5/4) · t(4) / z
    assert (75 - wider[0]) / 4.5 == pytest.approx(1.118034 * 2.776445 / 1.959964, abs=1e-3)


def test_grouped_clips_count_as_fewer_independent_clips() -> None:
    right = np.repeat([True, True, False, True], 25)
    groups = [f"person{i // 25}" for i in range(100)]
    alone, together = intervals(right_of(right), 50), intervals(right_of(right, groups), 50)
    assert np.ptp(together["top1"]) > 3 * np.ptp(alone["top1"])
    worth = 0.1875 / (4 / 3 * 468.75 / 100**2) * (1.9842169 / 3.1824463) ** 2  # t of 99 and of 3
    assert together["top1"] == pytest.approx(share_interval(0.75, worth), abs=1e-4)
    assert np.ptp(together["action_f1_macro"]) > 2 * np.ptp(alone["action_f1_macro"])
    everyone = intervals(right_of(np.ones(100, bool), groups), 50)["top1"]
    assert everyone[0] == pytest.approx(100 * 0.025**0.25, abs=1e-6)  # as for four of four clips
    assert groups_of(right_of(right)).tolist() == list(range(100))


def test_clips_of_a_group_are_drawn_together() -> None:
    right = np.repeat([True, False], 50)
    top1 = drawn([right_of(right, ["a"] * 50 + ["b"] * 50)], 2000)[0]["top1"]
    assert set(np.round(top1, 6)) == {0.0, 50.0, 100.0}
    assert np.mean(top1 == 50) == pytest.approx(0.5, abs=0.05)


def test_both_results_get_the_same_draws_which_spread_like_clips() -> None:
    scores = random_scores(900)
    first, second = drawn([scores, scores], 2000)
    np.testing.assert_array_equal(first["action_f1_macro"], second["action_f1_macro"])
    share = observed(scores)["top1"] / 100
    assert first["top1"].std() == pytest.approx(100 * np.sqrt(share * (1 - share) / 900), rel=0.06)
    assert first["top1"].mean() == pytest.approx(100 * share, abs=0.2)


def test_a_clip_predicted_as_an_absent_class_counts_once_over_the_classes_present() -> None:
    labels = np.repeat(np.arange(10), 30)
    logits = np.eye(52, dtype=np.float32)[labels]
    logits[0] = np.eye(52)[51]
    scores = Scores([f"c{i}" for i in range(300)], labels, logits, MA52)
    assert observed(scores)["action_f1_macro"] == pytest.approx(100 * (9 + 58 / 59) / 11)
    assert observed(scores, present=True)["action_f1_macro"] == pytest.approx(100 * (9 + 58 / 59) / 10)


def calibrated(clips: int, seed: int, temperature: float = 1.0) -> Scores:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(clips, 14)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.uniform(size=(clips, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=13)
    classes = Classes([str(k) for k in range(14)], [], [])
    return Scores([str(i) for i in range(clips)], labels, (logits * temperature).astype(np.float32), classes)


def test_the_expected_calibration_error_matches_that_of_a_calibrated_network() -> None:
    errors = [calibration(calibrated(176, seed))["ece"] for seed in range(60)]
    result = calibration(calibrated(176, 99))
    assert np.mean(errors) > 5
    assert result["ece_expected"] == pytest.approx(np.mean(errors), rel=0.15)
    assert np.mean(np.array(errors) <= result["ece_expected_high"]) > 0.85
    inside = [row["low"] - 1e-9 <= row["accuracy"] <= row["high"] + 1e-9 for row in result["bins"]]
    assert np.mean(inside) > 0.8


def test_nll_and_brier_match_their_definitions() -> None:
    logits = np.log(np.float32([[0.7, 0.3], [0.4, 0.6]]))
    result = calibration(Scores(["x", "y"], np.array([0, 0]), logits, TWO))
    assert result["nll"] == pytest.approx(-(np.log(0.7) + np.log(0.4)) / 2, abs=1e-6)
    assert result["brier"] == pytest.approx(((0.3**2 + 0.3**2) + (0.6**2 + 0.6**2)) / 2, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_of_scaled_logits_is_recovered(temperature: float) -> None:
    assert fit_temperature(calibrated(4000, 5, temperature)) == pytest.approx(temperature, rel=0.06)
    unlabelled = calibrated(5, 0)
    unlabelled.labels[:] = -1
    assert fit_temperature(unlabelled) == 1.0


def test_intervals_cover_and_tests_have_few_false_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels calls it in every correction
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "intervals.py"))
    for clips in (1, 5, 6, 9, 40):
        assert benchmark["coverage_of_shares"](clips)["ours at least"] >= 90
    assert benchmark["coverage_of_shares"](40)["ours on average"] < 97
    assert min(benchmark["coverage"](25, 200, 14, 176).values()) >= 80  # of 25 sets; the benchmark takes more
    assert max(benchmark["of_networks"](30, 199, 100).values()) <= 17
    assert benchmark["of_networks"](20, 199, 400, 0.15)["McNemar"] >= 70
    alike = benchmark["of_recipes"](30, 199, 100, 3, unstable=0.1)
    assert alike["any, Holm"] <= 17 < alike["McNemar, one each"]
    assert benchmark["of_recipes"](20, 199, 400, 4, 0.15)["Top-1"] >= 70


def test_one_group_says_nothing_of_the_spread_over_groups() -> None:
    alone = replace(random_scores(40), groups=["s1"] * 40)
    found = intervals(alone, 100)
    assert found["action_f1_macro"] == [0.0, 100.0]
    other = replace(random_scores(40, seed=2), labels=alone.labels, groups=alone.groups)
    for sides in ((alone, other), ([alone, other], [other, alone])):
        row = paired(*sides, 100)["differences"]["top1"]
        assert (row.low, row.high, row.p) == (-100.0, 100.0, 1.0)
