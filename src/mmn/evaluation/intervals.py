"""95 % intervals of metrics, over clips or over the groups (subjects, recordings) they come from."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.evaluation.logits import top_classes
from mmn.evaluation.metrics import ClassCounts, counts_by_clip, metrics_of
from mmn.evaluation.predictions import chosen
from mmn.evaluation.scores import Scores

DRAWS = 5000
"""Resamples for an interval or a test; interval ends are then stable to about 0.1 points."""

PROPORTIONS = ("top1", "top5", "action_f1_micro", "body_f1_micro")
"""Metrics that are a share of the clips; the others are means over classes."""

MEANS_OVER_CLIPS = ("loss", *PROPORTIONS)
"""Metrics of which the mean over parts, weighted by their clips, is that of the whole."""

VERY_FEW = 6
"""Below this number of clips, proportions get their exact interval."""

_AT_ONCE = 500


def intervals(scores: Scores, draws: int = DRAWS) -> dict[str, list[float]]:
    """95 % intervals of the headline metrics, in percent; all clips must be labelled.

    A proportion has the interval of ``share_interval``; for grouped clips, with the effective number of independent
    clips (Korn and Graubard, 1998). A mean over classes has the basic bootstrap interval, since resamples of few
    clips per class are biased downwards. Clips of a group are resampled together.
    """
    samples = drawn([scores], draws)[0]
    values = observed(scores)
    right = shares_of_clips(scores)
    result = {}
    for name in values:
        if name in PROPORTIONS:
            result[name] = proportion(right[name], groups_of(scores))
        else:
            result[name] = basic(values[name], samples[name], len(set(groups_of(scores))))
    return result


def proportion(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> list[float]:
    """The interval in percent of a share of clips ``(N,)`` from ``groups (N,)``."""
    clips, share = len(right), float(right.mean())
    return share_interval(share, _effective_clips(right, groups) if len(np.unique(groups)) < clips else clips)


def share_interval(share: float, clips: float) -> list[float]:
    """The interval in percent of a share of independent clips; 0 to 100 without clips.

    That of Agresti and Coull (1998), which unlike Wilson's also covers shares near 0 and 100 %; for very few clips,
    where it does not, that of Clopper and Pearson. ``benchmarks/intervals.py`` compares the three.
    """
    from statsmodels.stats.proportion import proportion_confint

    if clips <= 0:
        return [0.0, 100.0]
    method = "beta" if clips < VERY_FEW else "agresti_coull"
    low, high = proportion_confint(share * clips, clips, method=method)
    return [100 * float(np.nan_to_num(low, nan=0.0)), 100 * float(np.nan_to_num(high, nan=1.0))]


def _effective_clips(right: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """The effective number of independent clips."""
    from scipy.stats import t

    number, index = np.unique(groups, return_inverse=True)
    clips, count = len(right), len(number)
    share = right.mean()
    if count < 2 or share in (0.0, 1.0):
        return float(count)
    off = np.bincount(index, weights=right - share)
    variance = count / (count - 1) * (off**2).sum() / clips**2
    if variance == 0:
        return float(clips)
    worth = share * (1 - share) / variance * (t.ppf(0.975, clips - 1) / t.ppf(0.975, count - 1)) ** 2
    return float(min(worth, clips))


def basic(value: float, samples: NDArray[np.float64], units: int) -> list[float]:
    """The basic bootstrap interval of a percentage, widened for few resampled units (t instead of normal)."""
    low, high = difference_interval(value, samples, units)
    return [max(low, 0.0), min(high, 100.0)]


def difference_interval(value: float, samples: NDArray[np.float64], units: int) -> tuple[float, float]:
    """``basic`` for a difference of percentages; −100 to 100 for a single resampled unit."""
    from scipy.stats import norm, t

    if units < 2:  # nothing is known of the spread over groups
        return -100.0, 100.0
    widen = float(np.sqrt(units / (units - 1)) * t.ppf(0.975, units - 1) / norm.ppf(0.975))
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(value - widen * (high - value)), float(value + widen * (value - low))


def groups_of(scores: Scores) -> NDArray[np.int64]:
    """The group index of each clip ``(N,)``; without groups each clip is its own group."""
    if scores.groups is None:
        return np.arange(len(scores.names))
    return np.unique(scores.groups, return_inverse=True)[1]


def observed(scores: Scores, present: bool = False) -> dict[str, float]:
    """The metrics without resampling; with ``present``, means are taken only over classes that have clips."""
    once = np.ones((1, len(scores.names)))
    return {name: float(value[0]) for name, value in _metrics([scores], once, present)[0].items()}


def shares_of_clips(scores: Scores) -> dict[str, NDArray[np.bool_]]:
    """For each metric that is a proportion, which clips count towards it."""
    best = top_classes(torch.from_numpy(scores.logits)).numpy()
    right = best[:, 0] == scores.labels
    result = {"top1": right, "top5": (best == scores.labels[:, None]).any(axis=1), "action_f1_micro": right}
    if scores.classes.group_of_class:
        group = np.asarray(scores.classes.group_of_class)
        result["body_f1_micro"] = group[best[:, 0]] == group[scores.labels]
    return result


def drawn(results: list[Scores], draws: int = DRAWS, seed: int = 0) -> list[dict[str, NDArray[np.float64]]]:
    """The metrics ``(draws,)`` of several results on the same clips, with the same resamples for all.

    Grouped clips are drawn one group at a time. Ungrouped clips of one class that all results predict alike
    are drawn as one count.
    """
    groups, clips = groups_of(results[0]), len(results[0].names)
    rng = np.random.default_rng(seed)
    units = len(np.unique(groups))
    if units == clips:
        best = [top_classes(torch.from_numpy(one.logits)).numpy() for one in results]
        among_five = [(five == results[0].labels[:, None]).any(axis=1) for five in best]
        kind = np.stack([results[0].labels, *(five[:, 0] for five in best), *among_five], axis=1)
        _, first, counts = np.unique(kind, axis=0, return_index=True, return_counts=True)
        kinds = [chosen(one, first) for one in results]
        parts = (rng.multinomial(clips, counts / clips, size=n) for n in _portions(draws))
    else:
        kinds = results
        parts = (rng.multinomial(units, np.full(units, 1 / units), size=n)[:, groups] for n in _portions(draws))
    gathered: list[list[dict[str, NDArray[np.float64]]]] = [_metrics(kinds, part) for part in parts]
    return [
        {name: np.concatenate([portion[number][name] for portion in gathered]) for name in gathered[0][number]}
        for number in range(len(results))
    ]


def _portions(draws: int) -> Iterator[int]:
    for start in range(0, draws, _AT_ONCE):
        yield min(_AT_ONCE, draws - start)


def _metrics(
    results: list[Scores], weights: NDArray[Any], present: bool = False
) -> list[dict[str, NDArray[np.float64]]]:
    """The metrics ``(D,)`` of each result with its clips weighted ``(D, N)``."""
    weights = weights.astype(np.float64)
    found = []
    for scores in results:
        best = top_classes(torch.from_numpy(scores.logits)).numpy()
        actions, bodies = (
            None if one is None else ClassCounts(*(weights @ part for part in one))
            for one in counts_by_clip(scores.labels, best[:, 0], scores.classes)
        )
        assert actions is not None
        among_five = weights @ (best == scores.labels[:, None]).any(axis=1)
        found.append(metrics_of(actions, bodies, among_five, present))
    return found


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of a mean by Student's t; None for fewer than two values."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values) - half, statistics.mean(values) + half
