"""Which clips make up each batch, the same for any number of processes and workers."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from mmn.data.pipeline.preprocess import Batch, ClipFetcher

BatchKey = tuple[int, Tensor]
"""Epoch and clip indices ``(B,)`` of one batch: all that is needed to fetch it."""


class BatchSampler(Sampler[BatchKey]):
    """Batches of one process out of ``world_size``.

    A *global* batch is ``batch_size × world_size`` clips and each process takes its share of it, so that two processes
    with half the batch see together what one sees alone. Training shuffles by seed and epoch and leaves out the
    incomplete last global batch; evaluation keeps the order and every clip, and fills the last global batch up to a
    multiple of the processes with −1, which no figure counts.

    Args:
        clips: indices ``(N,)`` to draw from.
        batch_size: clips a process and batch.
        shuffle_seed: seed of the training order; None for evaluation.
        rank: this process.
        world_size: processes in all.
        weights: ``(N,)`` how often each clip is drawn in comparison with others, for training; None: once an epoch.

    ``skip`` is how many batches the next epoch leaves out at its start: those an interrupted run has seen.
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
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.clips), self.batch_size * self.world_size)
        return whole if self.shuffle_seed is not None else whole + (rest > 0)

    def __iter__(self) -> Iterator[BatchKey]:
        clips = self.clips
        if self.shuffle_seed is not None:
            generator = np.random.default_rng([self.shuffle_seed, self.epoch])
            order = generator.permutation(len(clips))
            if self.weights is not None:
                order = generator.permutation(_drawn(order, self.weights.numpy(), generator))
            clips = clips[torch.from_numpy(order)]
        else:
            filler = -len(clips) % self.world_size
            clips = torch.cat([clips, clips.new_full((filler,), -1)])
        size = self.batch_size * self.world_size
        first, self.skip = self.skip, 0
        for start in range(first * size, len(self) * size, size):
            yield self.epoch, clips[start : start + size].tensor_split(self.world_size)[self.rank]


def balanced(labels: NDArray[np.int64], balance: float) -> Tensor:
    """How often clips of ``labels (N,)`` are drawn in comparison: 0 all alike, 1 all classes alike."""
    return torch.from_numpy(np.bincount(labels)[labels] ** -balance)


def _drawn(order: NDArray[np.int64], weights: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """As many of ``order (N,)``, each as often as its weight says, but for less than one (systematic sampling).

    Clips of one weight, those of a class, are taken together, so that a class too is as often as it should be.
    """
    order = order[np.argsort(weights[order], kind="stable")]
    ends = np.cumsum(weights[order])
    points = (np.arange(len(order)) + generator.random()) / len(order) * ends[-1]
    return order[np.searchsorted(ends, points, side="right").clip(max=len(order) - 1)]


class BatchDataset(Dataset[Batch]):
    """Fetches a whole batch for one key; in a ``DataLoader`` with ``batch_size=None``."""

    def __init__(self, fetcher: ClipFetcher) -> None:
        self.fetcher = fetcher

    def __getitem__(self, key: BatchKey) -> Batch:
        epoch, indices = key
        return self.fetcher.fetch(indices, epoch)
