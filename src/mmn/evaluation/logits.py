"""Functions of logits: best classes, probabilities, cross entropy."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def top_classes(logits: Tensor, count: int = 5) -> Tensor:
    """Best classes ``(B, count)`` of ``logits (B, K)``, best first, the lower index first among equals.

    ``topk`` does not define the order of ties; a stable sort gives the same results on every device.
    """
    return logits.sort(dim=1, descending=True, stable=True).indices[:, :count]


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in double precision."""
    return torch.from_numpy(logits).double().softmax(dim=-1).numpy()


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithms of the probabilities over the last axis, in double precision."""
    return torch.from_numpy(logits).double().log_softmax(dim=-1).numpy()


def loss_of(logits: Tensor, labels: Tensor) -> float:
    """Mean cross entropy in nats of ``logits (N, K)``, to six decimals; the rest depends on summation order."""
    value = torch.nn.functional.cross_entropy(logits.double(), labels)
    return round(float(value), 6)
