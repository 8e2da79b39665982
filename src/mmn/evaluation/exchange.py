"""The exchange (permutation) test of two results on the same clips."""

import numpy as np
from numpy.typing import NDArray

from mmn.evaluation.intervals import DRAWS, groups_of, shares_of_clips
from mmn.evaluation.metrics import ClassCounts, counts_by_clip, f1_macro
from mmn.evaluation.predictions import predictions
from mmn.evaluation.scores import Scores


def exchange_test(pair: list[Scores], draws: int = DRAWS, seed: int = 0) -> dict[str, float]:
    """P values for every metric of two results, by exchanging their predictions at random for each clip or group.

    If the two were equivalent, every exchange would be as likely as the observation; exact for any metric.
    """
    predicted = [predictions(one) for one in pair]
    counts = [counts_by_clip(one.labels, own, one.classes) for one, own in zip(pair, predicted, strict=True)]
    five = [shares_of_clips(one)["top5"].astype(np.float64) for one in pair]
    differs = (predicted[0] != predicted[1]) | (five[0] != five[1])  # exchanging the others has no effect: one unit, 0
    groups = np.unique(np.where(differs, groups_of(pair[0]) + 1, 0), return_inverse=True)[1]
    swapped = np.random.default_rng(seed).integers(0, 2, (draws, int(groups.max()) + 1)).astype(np.float64)
    return {
        **_p_values(counts[0][0], counts[1][0], groups, swapped, ("top1", "action_f1_macro")),
        **_p_values(counts[0][1], counts[1][1], groups, swapped, ("body_f1_micro", "body_f1_macro")),
        "top5": _p(*_shares(five[0], five[1], groups, swapped)),
        **_f1_mean(counts, groups, swapped),
    }


def _p_values(
    first: ClassCounts | None, second: ClassCounts | None, groups: NDArray[np.int64], swapped: NDArray[np.float64],
    names: tuple[str, str],
) -> dict[str, float]:  # fmt: skip
    """P values of accuracy and of macro F1, under the two names."""
    if first is None or second is None:
        return {}
    share, macro = _differences(first, second, groups, swapped)
    return {names[0]: _p(*share), names[1]: _p(*macro)}


def _f1_mean(
    counts: list[tuple[ClassCounts, ClassCounts | None]], groups: NDArray[np.int64], swapped: NDArray[np.float64]
) -> dict[str, float]:
    """P value of the mean of the four F1."""
    if counts[0][1] is None or counts[1][1] is None:
        return {}
    parts = [
        *_differences(counts[0][0], counts[1][0], groups, swapped),
        *_differences(counts[0][1], counts[1][1], groups, swapped),
    ]
    observed = sum(part[0] for part in parts) / 4
    return {"f1_mean": _p(observed, sum((part[1] for part in parts), np.zeros(len(swapped))) / 4)}


Exchange = tuple[float, NDArray[np.float64]]
"""The observed difference, and those after exchanges ``(draws,)``."""


def _differences(
    first: ClassCounts, second: ClassCounts, groups: NDArray[np.int64], swapped: NDArray[np.float64]
) -> tuple[Exchange, Exchange]:
    """Differences of accuracy and of macro F1."""
    true = first.true.sum(axis=0)

    def exchanged(part: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Counts ``(1 + draws, K)`` of both, as observed and exchanged."""
        a, b = getattr(first, part), getattr(second, part)
        moved = np.zeros((swapped.shape[1], a.shape[1]))
        np.add.at(moved, groups, b - a)
        change = np.concatenate([np.zeros((1, a.shape[1])), swapped @ moved])
        return a.sum(axis=0) + change, b.sum(axis=0) - change

    predicted, hits = exchanged("predicted"), exchanged("hits")
    macro = [f1_macro(ClassCounts(np.broadcast_to(true, h.shape), t, h)) for t, h in zip(predicted, hits, strict=True)]
    share = (hits[0] - hits[1]).sum(axis=1) / true.sum()
    gap = macro[0] - macro[1]
    return (float(share[0]), share[1:]), (float(gap[0]), gap[1:])


def _shares(
    first: NDArray[np.float64], second: NDArray[np.float64], groups: NDArray[np.int64], swapped: NDArray[np.float64]
) -> Exchange:
    moved = np.bincount(groups, weights=first - second, minlength=swapped.shape[1])
    return float(moved.sum()), (1 - 2 * swapped) @ moved


def _p(observed: float, exchanged: NDArray[np.float64]) -> float:
    """The share of exchanges, including the observed one, with at least this difference."""
    return float((1 + (np.abs(exchanged) >= abs(observed) - 1e-9).sum()) / (1 + len(exchanged)))
