"""The published learning-rate schedule."""

import logging
import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

log = logging.getLogger(__name__)


class WarmupCosine(LRScheduler):
    """Linear warm-up, then the tail of a cosine defined over *all* steps, warm-up included.

    Steps count from 0, so the first step of a run uses ``warmup_lr``.

    Args:
        optimizer: its learning rates are the peak rates.
        total_steps: optimiser steps of the whole run.
        epochs: epochs of the whole run.
        warmup_epochs: epochs until the peak.
        warmup_lr: learning rate of step 0.
        min_lr: final learning rate of the cosine.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        epochs: int,
        warmup_epochs: float,
        warmup_lr: float,
        min_lr: float,
    ) -> None:
        self.total_steps = total_steps
        self.warmup_steps = round(warmup_epochs * total_steps / epochs)
        self.warmup_lr, self.min_lr = warmup_lr, min_lr
        if self.warmup_steps >= total_steps:
            log.warning(
                "The warm-up (%g epochs) outlasts the run (%g): lower scheduler.warmup_epochs.", warmup_epochs, epochs
            )
        super().__init__(optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Only the step: the length and rates are those of the resumed run."""
        return {"last_epoch": self.last_epoch}

    def move_to(self, step: int) -> None:
        """Jump to a step, with the peak rates and length of this schedule."""
        self.last_epoch = step
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._last_lr = self.get_lr()

    def get_lr(self) -> list[Any]:
        """The learning rates of step ``last_epoch`` (torch's name for the step index)."""
        return [self.at(self.last_epoch, float(peak)) for peak in self.base_lrs]

    def at(self, step: int, peak: float) -> float:
        """Learning rate at one step for a parameter group with peak rate ``peak``."""
        if step < self.warmup_steps:
            return self.warmup_lr + step * (peak - self.warmup_lr) / self.warmup_steps
        return self.min_lr + 0.5 * (peak - self.min_lr) * (1 + math.cos(math.pi * step / self.total_steps))
