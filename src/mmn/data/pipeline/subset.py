"""Representative subsets of the training clips."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmn.errors import UserError


def nested_subset(labels: NDArray[np.int64], count: int, seed: int) -> Tensor:
    """Indices ``(min(count, N),)`` of clips with ``labels (N,)``: stratified by class, drawn by ``seed``.

    A larger ``count`` contains the clips of a smaller one.

    Raises:
        UserError: ``count`` is below 1.
    """
    if count < 1:
        raise UserError(f"data.max_train_clips is {count}; use 1 or more, or null for all.")
    generator = np.random.default_rng(seed)
    place = np.empty(len(labels))  # a clip's position in its class, from 0 to 1; sorting by it interleaves the classes
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[generator.permutation(members)] = (np.arange(len(members)) + generator.random()) / len(members)
    chosen = np.argsort(place, kind="stable")[:count]
    return torch.from_numpy(np.sort(chosen))
