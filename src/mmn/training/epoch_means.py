"""Training metrics of an epoch, which survive an interruption."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Reduce = Callable[[Tensor], Tensor]
"""Sums a tensor over all processes."""


class EpochMeans:
    """Means over the clips of an epoch. Checkpoints keep the sums, so that interruptions do not affect the means."""

    def __init__(self) -> None:
        self.totals: dict[str, Tensor] = {}

    def add(self, metrics: Mapping[str, Tensor], clips: int) -> None:
        """Add the means of one batch."""
        for name, value in {**metrics, "clips": torch.ones_like(next(iter(metrics.values())))}.items():
            total = value.detach().double() * clips
            self.totals[name] = self.totals[name] + total if name in self.totals else total

    def take(self, reduce: Reduce) -> dict[str, Tensor]:
        """The means over all processes; resets for the next epoch."""
        totals = self._over_all(reduce)
        self.totals = {}
        clips = totals.pop("clips")
        return {name: total / clips for name, total in totals.items()}

    def state(self, reduce: Reduce) -> dict[str, float]:
        """The sums over all processes, as plain numbers."""
        return {name: float(total) for name, total in self._over_all(reduce).items()}

    def load(self, state: Mapping[str, float], device: torch.device) -> None:
        """Restore the sums; to be called in one process only."""
        self.totals = {name: torch.tensor(total, dtype=torch.float64, device=device) for name, total in state.items()}

    def _over_all(self, reduce: Reduce) -> dict[str, Tensor]:
        if not self.totals:
            return {}
        return dict(zip(self.totals, reduce(torch.stack(list(self.totals.values()))).unbind(), strict=True))
