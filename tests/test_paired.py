"""Comparison of two results: exact tests, and what they apply to."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import random_scores
from scipy.stats import ttest_ind
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from test_intervals import right_of

from mmn.errors import UserError
from mmn.evaluation.exchange import exchange_test
from mmn.evaluation.intervals import observed
from mmn.evaluation.paired import holm, mcnemar, paired
from mmn.evaluation.scores import Scores, Source


@pytest.mark.parametrize(("first", "second"), [(4, 0), (0, 0), (9, 3), (30, 12)])
def test_top1_is_compared_by_mcnemars_exact_test(first: int, second: int) -> None:
    a, b = np.ones(80, bool), np.ones(80, bool)
    b[:first] = False
    a[40 : 40 + second] = False
    expected = reference_mcnemar([[80 - first - second, first], [second, 0]], exact=True).pvalue
    assert mcnemar(a, b) == pytest.approx(expected)
    row = paired(right_of(a), right_of(b), 200)["differences"]["top1"]
    assert row.p == pytest.approx(expected)
    assert row.points == pytest.approx(100 * (first - second) / 80)
    assert row.low <= row.points <= row.high


def test_exchanged_predictions_agree_with_mcnemar_and_respect_groups() -> None:
    a, b = np.ones(80, bool), np.ones(80, bool)
    b[:9] = False
    a[40:43] = False
    assert exchange_test([right_of(a), right_of(b)])["top1"] == pytest.approx(mcnemar(a, b), abs=0.02)
    groups = ["p"] * 40 + [
        "q"
    ] * 40  # two people, each favouring one result: +9 and -3, at least 6 apart in every exchange
    assert exchange_test([right_of(a, groups), right_of(b, groups)])["top1"] == 1.0
    assert paired(right_of(a, groups), right_of(b, groups), 2000)["differences"]["top1"].p == 1.0


def test_rows_are_corrected_together_and_micro_f1_is_not_counted_twice() -> None:
    result = paired(random_scores(200, 2.6), random_scores(200, 2.0, 1), 300)["differences"]
    assert set(result) == {"top1", "top5", "action_f1_macro", "body_f1_macro", "body_f1_micro", "f1_mean"}
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    smallest = min(result.values(), key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(min(1.0, 6 * smallest.p))


def seeds(shares: list[float], start: int) -> list[Scores]:
    return [right_of(np.random.default_rng(start + i).uniform(size=400) < s) for i, s in enumerate(shares)]


def test_several_networks_per_side_are_compared_over_trainings_too() -> None:
    apart_by_seed = paired(seeds([0.6, 0.8, 0.7], 0), seeds([0.75, 0.5, 0.55], 10), 200)["differences"]["top1"]
    assert apart_by_seed.points > 5
    assert apart_by_seed.p > 0.15  # over clips alone, it would be below 0.001
    alike = paired(seeds([0.6, 0.8, 0.7], 0), seeds([0.75, 0.65, 0.6], 10), 200)
    assert alike["test"] == "3 and 3 trained networks"
    assert alike["differences"]["top1"].p > 0.2
    assert "won" not in alike
    apart = paired(seeds([0.80, 0.81, 0.79], 0), seeds([0.50, 0.49, 0.52], 10), 200)["differences"]["top1"]
    assert apart.p_holm < 0.05
    assert apart.low < apart.points < apart.high
    one_to_three = paired(seeds([0.7], 0), seeds([0.5, 0.8, 0.4], 10), 200)["differences"]["top1"]
    assert one_to_three.p > 0.15  # a side with a single training is assumed to vary as much as the other


def test_trainings_with_independent_errors_are_compared_by_students_test() -> None:
    sides = seeds([0.72] * 3, 20), seeds([0.66] * 2, 30)
    top1 = [[observed(one)["top1"] for one in side] for side in sides]
    row = paired(*sides, 2000)["differences"]["top1"]
    assert row.p == pytest.approx(ttest_ind(*top1).pvalue)
    assert [row.low, row.high] == pytest.approx([*ttest_ind(*top1).confidence_interval()])


def test_identical_trainings_leave_only_the_variance_over_clips() -> None:
    a, b = right_of(np.arange(400) < 300), right_of(np.arange(400) < 280)
    row = paired([a, a], [b, b], 4000)["differences"]["top1"]
    assert row.p == pytest.approx(mcnemar(np.arange(400) < 300, np.arange(400) < 280), abs=0.001)
    assert row.high - row.points == pytest.approx(100 * 1.96 * np.sqrt(0.05 * 0.95 / 400), rel=0.05)


def test_results_of_other_files_or_without_labels_are_refused() -> None:
    scores = right_of(np.ones(4, bool))
    other = replace(scores, source=Source(record={"data": "b"}))
    with pytest.raises(UserError, match="data files with different content"):
        paired(replace(scores, source=Source(record={"data": "a"})), other)
    unlabelled = replace(scores, labels=np.full(4, -1))
    with pytest.raises(UserError, match="none of the clips is labelled"):
        paired(unlabelled, unlabelled)
