"""Composition of batches, the same for any number of processes and workers."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.preprocess import ClipFetcher

BatchKey = tuple[int, Tensor, Tensor]
"""Epoch, clip indices ``(B,)``, and how often each clip was shown before in the epoch ``(B,)``."""


class BatchSampler(Sampler[BatchKey]):
    """Batches of one process out of ``world_size``.

    Each process takes its share of a *global* batch of ``batch_size × world_size`` clips, so that two processes
    with half the batch size each see the same clips as one. Training shuffles by seed and epoch and drops the
    incomplete last global batch; evaluation keeps the order and every clip, and pads the last global batch to a
    multiple of the processes with −1, which metrics ignore.

    Args:
        clips: indices ``(N,)`` to draw from.
        batch_size: clips per process and batch.
        shuffle_seed: seed of the training order; None for evaluation.
        rank: rank of this process.
        world_size: number of processes.
        weights: ``(N,)`` relative sampling frequency of each training clip; None to show each once per epoch.

    Attributes:
        skip: number of batches to skip at the start of the next epoch, since an interrupted run has seen them.
    """

    def __init__(
        self,
        clips: Tensor,
        batch_size: int,
        shuffle_seed: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        weights: Tensor | None = None,
    ) -> None:
        self.clips, self.batch_size, self.shuffle_seed, self.weights = clips, batch_size, shuffle_seed, weights
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; called by Lightning before each one."""
        self.epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.clips), self.batch_size * self.world_size)
        return whole if self.shuffle_seed is not None else whole + (rest > 0)

    def __iter__(self) -> Iterator[BatchKey]:
        clips, repeats = self.clips, torch.zeros_like(self.clips)
        if self.shuffle_seed is not None:
            generator = np.random.default_rng([self.shuffle_seed, self.epoch])
            order = generator.permutation(len(clips))
            if self.weights is not None:
                order = generator.permutation(_drawn(order, self.weights.numpy(), generator))
                repeats = torch.from_numpy(_repeats(order))
            clips = clips[torch.from_numpy(order)]
        else:
            filler = -len(clips) % self.world_size
            clips = torch.cat([clips, clips.new_full((filler,), -1)])
            repeats = torch.zeros_like(clips)
        size = self.batch_size * self.world_size
        first, self.skip = self.skip, 0
        for start in range(first * size, len(self) * size, size):
            own = [part[start : start + size].tensor_split(self.world_size)[self.rank] for part in (clips, repeats)]
            yield self.epoch, own[0], own[1]


def balanced(labels: NDArray[np.int64], balance: float) -> Tensor:
    """Relative sampling frequency of clips with ``labels (N,)``: uniform over clips at 0, over classes at 1."""
    return torch.from_numpy(np.bincount(labels)[labels] ** -float(balance))


def shown_per_class(labels: NDArray[np.int64], mirrored: Sequence[int], balance: float, share: float) -> Tensor:
    """Clips of each class ``(K,)`` float64 that an epoch shows, on average, of clips with ``labels (N,)``.

    Args:
        labels: of the training clips.
        mirrored: for each class, the class of its mirrored clips, −1 if they are never mirrored.
        balance: see ``balanced``.
        share: share of clips that augmentation mirrors.
    """
    weights = balanced(labels, balance).double()
    counts = torch.from_numpy(labels).bincount(weights, minlength=len(mirrored)) * (len(labels) / weights.sum())
    turned = torch.tensor(mirrored)
    moving = share * counts * (turned >= 0)
    return (counts - moving).index_add(0, turned.clamp(min=0), moving)


def _drawn(order: NDArray[np.int64], weights: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """N draws from ``order (N,)``, each within one of its expected count (systematic sampling).

    Clips of equal weight, as within a class, are sampled together, so that class counts are within one as well.
    """
    order = order[np.argsort(weights[order], kind="stable")]
    ends = np.cumsum(weights[order])
    points = (np.arange(len(order)) + generator.random()) / len(order) * ends[-1]
    return order[np.searchsorted(ends, points, side="right").clip(max=len(order) - 1)]


def _repeats(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each clip of ``order (N,)`` comes before in it."""
    places = np.argsort(order, kind="stable")
    _, first, counts = np.unique(order[places], return_index=True, return_counts=True)
    repeats = np.empty_like(order)
    repeats[places] = np.arange(len(order)) - np.repeat(first, counts)
    return repeats


class BatchDataset(Dataset[Batch]):
    """Fetches a whole batch for one key; in a ``DataLoader`` with ``batch_size=None``."""

    def __init__(self, fetcher: ClipFetcher) -> None:
        self.fetcher = fetcher

    def __getitem__(self, key: BatchKey) -> Batch:
        epoch, indices, repeats = key
        return self.fetcher.fetch(indices, epoch, repeats)
