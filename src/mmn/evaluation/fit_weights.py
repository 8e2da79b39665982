"""Ensemble weights of several streams, fitted on clips other than the reported ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.evaluation.calibration import temperature_of
from mmn.evaluation.logits import softmax
from mmn.evaluation.scores import Scores, aligned

FOLDS = 5
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Steps from equal weights (0) to the fitted ones (1)."""


class FittedWeights(NamedTuple):
    """Fitted weights and their held-out gain.

    Attributes:
        weights: one for each stream, summing to 1.
        step: 0 for equal weights to 1 for those of least loss.
        gain: Top-1 in points over equal weights, on held-out folds.
        clips: number of clips fitted on.
    """

    weights: list[float]
    step: float
    gain: float
    clips: int


def find_weights(streams: Sequence[Scores], seed: int = 0) -> FittedWeights:
    """Fit weights on the clips the streams were scored on: validation clips, never those to be reported.

    Each stream is scaled by a temperature of its own; then the weights of least cross entropy are found, a
    convex problem, and shrunk towards equal ones as far as held-out folds favour it.

    Raises:
        UserError: streams of different clips, or no labelled clips.
    """
    logits, labels = aligned(streams)  # (S, N, K), (N,)
    known = labels >= 0
    if not known.any():
        raise UserError("weights can only be fitted on labelled clips; set weights yourself.")
    logits, labels = logits[:, known], labels[known]
    fold = _folds(labels, seed)
    held_out = np.stack([_held_out(logits, labels, fold, step) for step in _STEPS])  # (steps, N, K)
    losses = _losses(held_out, labels)  # (steps, N)
    step = _step(losses)
    equal = _mean(logits, np.full(len(logits), 1 / len(logits)))
    right = [(one.argmax(axis=1) == labels).mean() for one in (held_out[step], equal)]
    return FittedWeights(
        weights=[float(w) for w in _scaled(logits, labels, _STEPS[step])[0]],
        step=_STEPS[step],
        gain=float(100 * (right[0] - right[1])),
        clips=len(labels),
    )


def _folds(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A fold for each clip, stratified by class."""
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % FOLDS
    return fold


def _held_out(
    logits: NDArray[np.float64], labels: NDArray[np.int64], fold: NDArray[np.int64], step: float
) -> NDArray[np.float64]:
    """Each clip's ensemble logits, with weights fitted on the other folds."""
    total = np.empty(logits.shape[1:])
    for number in np.unique(fold):
        held = fold == number
        rest = ~held if (~held).any() else held
        weights, temperature = _scaled(logits[:, rest], labels[rest], step)
        total[held] = _mean(logits[:, held], weights) / temperature
    return total


def _step(losses: NDArray[np.float64]) -> int:
    """The step nearest to equal weights whose held-out loss is within one standard error of the least."""
    means = losses.mean(axis=1)
    best = int(means.argmin())
    for step in range(best):
        gap = losses[step] - losses[best]
        if gap.mean() <= gap.std() / np.sqrt(len(gap)):
            return step
    return best


def _scaled(logits: NDArray[np.float64], labels: NDArray[np.int64], step: float) -> tuple[NDArray[np.float64], float]:
    """Weights of the raw logits, summing to 1, and the temperature of their sum."""
    temperatures = np.array([temperature_of(one, labels) for one in logits])
    alike = logits / temperatures[:, None, None]
    equal = np.full(len(logits), 1 / len(logits))
    share = (1 - step) * equal + step * _least_loss(alike, labels) if step else equal
    raw = share / temperatures
    weights = raw / raw.sum()
    return weights, temperature_of(_mean(logits, weights), labels)


def _least_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Non-negative coefficients of least cross entropy, normalised to sum to 1."""
    from scipy.optimize import minimize

    clips = np.arange(len(labels))

    def loss(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total = _mean(logits, coefficients)
        chances = softmax(total)
        value = -np.log(np.maximum(chances[clips, labels], 1e-300)).mean()
        off = chances.copy()
        off[clips, labels] -= 1
        return float(value), np.einsum("snk,nk->s", logits, off) / len(labels)

    start = np.full(len(logits), 1 / len(logits))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(logits)).x
    return found / found.sum() if found.sum() > 0 else start


def _mean(logits: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("s,snk->nk", weights, logits)


def _losses(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cross entropy ``(sets, N)`` of ``logits (sets, N, K)``."""
    own = softmax(logits)[:, np.arange(len(labels)), labels]
    return -np.log(np.maximum(own, 1e-12))
