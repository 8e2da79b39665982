"""Weights of several streams, found on clips that are not the ones to be reported."""

from collections.abc import Sequence

import numpy as np

from mmn.errors import UserError
from mmn.evaluation.analysis import softmax
from mmn.evaluation.scores import Scores, aligned


def find_weights(streams: Sequence[Scores], rounds: int = 20) -> list[float]:
    """Weights that suit the clips the streams were scored on; use validation clips, never those to be reported.

    Greedy selection with replacement (Caruana et al., ICML 2004): starting from nothing, the stream whose addition
    gives the best Top-1, and among equals the lowest loss, is added again and again; the best sum on the way counts.

    Args:
        streams: scores of the same clips.
        rounds: additions for each stream.

    Returns:
        A weight for each stream, together 1.

    Raises:
        UserError: streams of other clips, or none of them labelled.
    """
    logits, labels = aligned(streams)  # (S, N, K), (N,)
    known = labels >= 0
    if not known.any():
        raise UserError("weights can only be found on labelled clips; give weights yourself.")
    logits, labels = logits[:, known], labels[known]
    counts = np.zeros(len(streams))
    total = np.zeros(logits.shape[1:])
    best: tuple[float, float] = (-1.0, 0.0)
    best_counts = counts
    for _ in range(rounds * len(streams)):
        values = [_quality(softmax((total + own) / (counts.sum() + 1)), labels) for own in logits]
        chosen = max(range(len(streams)), key=lambda i: (values[i], -i))
        counts = counts.copy()
        counts[chosen] += 1
        total += logits[chosen]
        if values[chosen] > best:
            best, best_counts = values[chosen], counts
    return [float(w) for w in best_counts / best_counts.sum()]


def _quality(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Top-1 and minus the loss."""
    own = probabilities[np.arange(len(labels)), labels]
    return float((probabilities.argmax(axis=1) == labels).mean()), float(np.log(np.maximum(own, 1e-12)).mean())
