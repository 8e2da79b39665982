"""Ensemble weights and temperatures, fitted on clips other than those of the reported metrics."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.evaluation.calibration import temperature_of
from mmn.evaluation.choices import Average
from mmn.evaluation.logits import softmax
from mmn.evaluation.scores import Scores, aligned, weighted_mean

FOLDS = 5
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Steps from equal weights (0) to the fitted ones (1)."""


class FittedWeights(NamedTuple):
    """Fitted weights and temperatures, and their held-out gain.

    Attributes:
        weights: one for each stream, summing to 1.
        temperatures: the divisor of each stream's logits; 1 unless fitted.
        temperature: the temperature that calibrates the weighted mean.
        step: from 0 for equal weights to 1 for those of least loss.
        gain: gain in Top-1, in points, over equal (or given) weights without temperatures, on held-out folds.
        loss_gain: decrease of the cross entropy, in nats, likewise; fitted weights against calibrated equal ones.
        clips: number of clips fitted on.
    """

    weights: list[float]
    temperatures: list[float]
    temperature: float
    step: float
    gain: float
    loss_gain: float
    clips: int


class _Fit(NamedTuple):
    """What the loop over folds fits: see ``FittedWeights``."""

    weights: NDArray[np.float64]
    temperatures: NDArray[np.float64]

    def mean(self, logits: NDArray[np.float64], average: Average) -> NDArray[np.float64]:
        """Logits ``(N, K)`` of the ensemble of ``logits (S, N, K)``."""
        return weighted_mean(logits / self.temperatures[:, None, None], self.weights, average)


class _How(NamedTuple):
    """Given weights, or None to fit them; whether to fit temperatures; what is averaged."""

    weights: Sequence[float] | None
    temperatures: bool
    average: Average


def find_weights(
    streams: Sequence[Scores],
    *,
    weights: Sequence[float] | Literal["auto"] = "auto",
    temperatures: bool = False,
    average: Average = "logits",
    seed: int = 0,
) -> FittedWeights:
    """Fit weights on the clips the streams were scored on: validation clips, never those of the reported metrics.

    The weights that minimise cross entropy, a convex problem, are shrunk towards equal ones by an amount chosen on
    held-out folds. The scale of a stream's logits has no effect: each stream is divided by a temperature of its own,
    which becomes part of its weight unless ``temperatures`` is set.

    Args:
        streams: scores of the same clips.
        weights: given weights, summing to 1, if only temperatures are fitted.
        temperatures: whether to fit a temperature per stream.
        average: what the ensemble averages.
        seed: of the folds.

    Raises:
        UserError: the streams are of different clips, or no clip is labelled.
    """
    logits, labels = aligned(streams)  # (S, N, K), (N,)
    known = labels >= 0
    if not known.any():
        raise UserError(
            "weights and temperatures can only be fitted on labelled clips; the val split has none: leave auto out."
        )
    logits, labels = logits[:, known], labels[known]
    fold = _folds(labels, seed)
    how = _How(None if weights == "auto" else [float(w) for w in weights], temperatures, average)
    steps = _STEPS if how.weights is None else _STEPS[:1]
    held_out = np.stack([_held_out(logits, labels, fold, step, how) for step in steps])  # (steps, N, K)
    losses = _losses(held_out, labels)  # (steps, N)
    step = _step(losses)
    plain = weighted_mean(logits, _start(logits, how), average)
    if how.weights is None:  # so that the gain is that of the weights, calibrate equal ones likewise
        plain = _held_out(logits, labels, fold, _STEPS[0], _How(_start(logits, how).tolist(), False, average))
    right = [(one.argmax(axis=1) == labels).mean() for one in (held_out[step], plain)]
    fit = _fit(logits, labels, steps[step], how)
    return FittedWeights(
        weights=fit.weights.tolist(),
        temperatures=fit.temperatures.tolist(),
        temperature=temperature_of(fit.mean(logits, average), labels),
        step=steps[step],
        gain=float(100 * (right[0] - right[1])),
        loss_gain=float((_losses(plain[None], labels)[0] - losses[step]).mean()),
        clips=len(labels),
    )


def _folds(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """A fold for each clip, stratified by class."""
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % FOLDS
    return fold


def _held_out(
    logits: NDArray[np.float64], labels: NDArray[np.int64], fold: NDArray[np.int64], step: float, how: _How
) -> NDArray[np.float64]:
    """Each clip's ensemble logits, with weights fitted on the other folds.

    A mean of logits is calibrated, since its scale depends on the weights; a mean of probabilities needs none.
    """
    total = np.empty(logits.shape[1:])
    for number in np.unique(fold):
        held = fold == number
        rest = ~held if (~held).any() else held
        fit = _fit(logits[:, rest], labels[rest], step, how)
        total[held] = fit.mean(logits[:, held], how.average)
        if how.average == "logits":
            total[held] /= temperature_of(fit.mean(logits[:, rest], how.average), labels[rest])
    return total


def _step(losses: NDArray[np.float64]) -> int:
    """The step closest to equal weights whose held-out loss is within one standard error of the lowest."""
    means = losses.mean(axis=1)
    best = int(means.argmin())
    for step in range(best):
        gap = losses[step] - losses[best]
        if gap.mean() <= gap.std() / np.sqrt(len(gap)):
            return step
    return best


def _start(logits: NDArray[np.float64], how: _How) -> NDArray[np.float64]:
    """The given weights, or equal ones."""
    return np.full(len(logits), 1 / len(logits)) if how.weights is None else np.array(how.weights)


def _fit(logits: NDArray[np.float64], labels: NDArray[np.int64], step: float, how: _How) -> _Fit:
    """Weights and temperatures at one step between equal weights and those of least loss."""
    weights, temperatures = _start(logits, how), np.ones(len(logits))
    into_weights = how.average == "logits" and how.weights is None and not how.temperatures
    if how.temperatures or into_weights:
        temperatures = np.array([temperature_of(one, labels) for one in logits])
    if step:
        alike = logits / temperatures[:, None, None]
        weights = (1 - step) * weights + step * _least_loss(alike, labels, how.average)
    if into_weights:
        weights, temperatures = weights / temperatures, np.ones(len(logits))
        weights = weights / weights.sum()
    return _Fit(weights, temperatures)


def _least_loss(logits: NDArray[np.float64], labels: NDArray[np.int64], average: Average) -> NDArray[np.float64]:
    """Non-negative coefficients that minimise cross entropy, normalised to sum to 1."""
    from scipy.optimize import minimize

    clips = np.arange(len(labels))
    own = softmax(logits)[:, clips, labels]  # (S, N), each stream's probability of the true class

    def loss_of_logits(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        chances = softmax(weighted_mean(logits, coefficients, "logits"))
        value = -np.log(np.maximum(chances[clips, labels], 1e-300)).mean()
        chances[clips, labels] -= 1
        return float(value), np.einsum("snk,nk->s", logits, chances) / len(labels)

    def loss_of_probabilities(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The cross entropy plus the sum of the coefficients, which is 1 at the minimum."""
        mixed = np.maximum(coefficients @ own, 1e-300)
        return float(coefficients.sum() - np.log(mixed).mean()), 1 - (own / mixed).mean(axis=1)

    loss = loss_of_logits if average == "logits" else loss_of_probabilities
    start = np.full(len(logits), 1 / len(logits))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(logits)).x
    return found / found.sum() if found.sum() > 0 else start


def _losses(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cross entropy ``(sets, N)`` of ``logits (sets, N, K)``."""
    own = softmax(logits)[:, np.arange(len(labels)), labels]
    return -np.log(np.maximum(own, 1e-12))
