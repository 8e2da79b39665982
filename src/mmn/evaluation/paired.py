"""Two results on the same clips: their difference, its significance, and the clips behind it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.evaluation.analysis import per_class
from mmn.evaluation.exchange import exchange_test
from mmn.evaluation.intervals import (
    DRAWS,
    difference_interval,
    drawn,
    groups_of,
    observed,
    shares_of_clips,
)
from mmn.evaluation.predictions import labelled, predictions
from mmn.evaluation.record import on_same_data
from mmn.evaluation.scores import Scores, aligned

SIGNIFICANT = 0.05


class Difference(NamedTuple):
    """First minus second.

    Attributes:
        points: difference of the metric.
        low: lower end of the 95 % interval.
        high: upper end.
        p: probability of a difference at least this large if there is none.
        p_holm: the same with Holm's correction for all metrics compared.
    """

    points: float
    low: float
    high: float
    p: float
    p_holm: float


def paired(first: Scores | Sequence[Scores], second: Scores | Sequence[Scores], draws: int = DRAWS) -> dict[str, Any]:
    """Compare the first result with the second on the labelled clips, matched by name.

    With one network on each side, p values are exact and hold for these two networks: McNemar's test for shares of
    clips, and an exchange (permutation) test per clip for means over classes. Grouped clips
    are exchanged by group. With several networks on a side (seeds), the difference is that of the means, for any
    training of the two recipes and any clips.

    Returns:
        ``differences``: a ``Difference`` for each metric that is not identical to another (micro F1 is Top-1);
        ``test``: what the p values refer to; ``grouped``: whether clips are exchanged by group;
        with one network on each side ``right``: clips that ``both``, only the
        ``first``, only the ``second`` or ``neither`` got right; ``classes``: rows of a class's F1 in both and their
        difference, the largest gain first; ``won`` and ``lost``: clips only the first, or only the second got right.

    Raises:
        UserError: the results have different files, clips, labels or classes, or no labelled clips.
    """
    sides = [[one] if isinstance(one, Scores) else list(one) for one in (first, second)]
    alike = _alike([*sides[0], *sides[1]])
    results = [alike[: len(sides[0])], alike[len(sides[0]) :]]
    rows = [name for name in observed(alike[0]) if name != "action_f1_micro"]
    single = len(alike) == 2
    found = _of_networks(alike, rows, draws) if single else _of_recipes(results, rows, draws)
    tested = "these two trained networks" if single else f"{len(results[0])} and {len(results[1])} trained networks"
    more = _clips(alike) if single else {}
    return {"differences": _corrected(found), "test": tested, "grouped": alike[0].groups is not None, **more}


def _alike(results: list[Scores]) -> list[Scores]:
    """The labelled clips in the order of the first result."""
    if not on_same_data([result.source.record for result in results]):
        raise UserError("the results are from data files with different content; score the same file.")
    logits, labels = aligned(results)
    first = results[0]
    alike = [
        labelled(Scores(first.names, labels, one.astype(np.float32), first.classes, groups=first.groups))
        for one in logits
    ]
    if not alike[0].names:
        raise UserError("none of the clips is labelled; compare a labelled split.")
    return alike


def _of_networks(pair: list[Scores], rows: list[str], draws: int) -> dict[str, tuple[float, float, float, float]]:
    """Points, interval and p of each metric of two networks."""
    values, samples = [observed(one) for one in pair], drawn(pair, draws)
    units = len(np.unique(groups_of(pair[0])))
    tests = exchange_test(pair, draws)
    for name, right in shares_of_clips(pair[0]).items() if units == len(pair[0].names) else ():
        tests[name] = mcnemar(right, shares_of_clips(pair[1])[name])
    result = {}
    for name in rows:
        points = values[0][name] - values[1][name]
        low, high = difference_interval(points, samples[0][name] - samples[1][name], units)
        result[name] = (points, low, high, tests[name])
    return result


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The exact p value of McNemar's test for two results' correct clips ``(N,)``."""
    from scipy.stats import binomtest

    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def _of_recipes(sides: list[list[Scores]], rows: list[str], draws: int) -> dict[str, tuple[float, float, float, float]]:
    """Points, interval and p of the means of several networks on each side, for any trainings and any clips.

    Obuchowski and Rockette's test (1995, degrees of freedom by Hillis, 2007) with trainings as readers: the variance
    of a mean over trainings, plus the variance over clips that networks of one side share but the two sides do not.
    """
    from scipy.stats import t

    values = [[observed(one) for one in side] for side in sides]
    samples = drawn([one for side in sides for one in side], draws)
    first, second = (len(side) for side in sides)
    units = len(np.unique(groups_of(sides[0][0])))
    of_first = np.arange(first + second) < first
    alike = of_first[:, None] == of_first
    same = alike & ~np.eye(len(alike), dtype=bool)
    freedom = first + second - 2
    result = {}
    for name in rows:
        by_side = [np.array([value[name] for value in side]) for side in values]
        points = float(by_side[0].mean() - by_side[1].mean())
        spread = sum(float(((one - one.mean()) ** 2).sum()) for one in by_side) / freedom
        if units < 2:  # nothing is known of the spread over groups
            result[name] = (points, -100.0, 100.0, 1.0)
            continue
        together = np.cov([one[name] for one in samples]) * units / (units - 1)
        trainings = spread * (1 / first + 1 / second)
        variance = trainings + max(2 * float(together[same].mean() - together[~alike].mean()), 0.0)
        if variance <= 0:
            result[name] = (points, points, points, 1.0 if points == 0 else 0.0)
            continue
        degrees = freedom * (variance / trainings) ** 2 if trainings > 0 else np.inf
        half = float(t.ppf(0.975, degrees) * np.sqrt(variance))
        result[name] = (points, points - half, points + half, float(2 * t.sf(abs(points) / np.sqrt(variance), degrees)))
    return result


def _corrected(found: dict[str, tuple[float, float, float, float]]) -> dict[str, Difference]:
    return {
        name: Difference(*found[name], p_holm)
        for name, p_holm in zip(found, holm([one[3] for one in found.values()]), strict=True)
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for several tests."""
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def _clips(pair: list[Scores]) -> dict[str, Any]:
    """The classes and clips on which two networks differ."""
    labels, names, classes = pair[0].labels, pair[0].names, pair[0].classes.names
    predicted = [predictions(scores) for scores in pair]
    right = [one == labels for one in predicted]
    rows = [
        {"name": a["name"], "clips": a["clips"], "first": a["f1"], "second": b["f1"], "gain": a["f1"] - b["f1"]}
        for a, b in zip(*(per_class(scores) for scores in pair), strict=True)
        if a["clips"] or a["predicted"] or b["predicted"]
    ]

    def clips(mask: NDArray[np.bool_]) -> list[dict[str, str]]:
        return [
            {"clip": names[i], "label": classes[labels[i]], "first": classes[predicted[0][i]],
             "second": classes[predicted[1][i]]}
            for i in np.flatnonzero(mask)
        ]  # fmt: skip

    return {
        "right": {
            "both": int((right[0] & right[1]).sum()),
            "first": int((right[0] & ~right[1]).sum()),
            "second": int((~right[0] & right[1]).sum()),
            "neither": int((~right[0] & ~right[1]).sum()),
        },
        "classes": sorted(rows, key=lambda row: -row["gain"]),
        "won": clips(right[0] & ~right[1]),
        "lost": clips(~right[0] & right[1]),
    }
