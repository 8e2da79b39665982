"""A moving average of the weights, which is validated, saved and evaluated instead of them."""

from collections.abc import Sequence
from functools import partial

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from mmn.errors import UserError


class MovingAverage(WeightAveraging):
    """Exponential moving average of weights and batch statistics, after every optimiser step.

    The decay of step n is at most (1 + n) / (10 + n), so that initial values are soon forgotten: those of the batch
    statistics are 1, orders of magnitude above the variance of motion.

    Args:
        decay: per step; averages over about 1 / (1 - decay) steps.

    Raises:
        UserError: a decay outside [0, 1).
    """

    def __init__(self, decay: float = 0.99) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"the moving average's decay is {decay}; it must be at least 0 and below 1.")
        super().__init__(multi_avg_fn=partial(average, decay=decay))


@torch.no_grad()
def average(averages: Sequence[Tensor], values: Sequence[Tensor], count: Tensor, *, decay: float) -> None:
    """Move each of ``averages``, of ``count`` earlier values, towards its next one in place; integers are copied."""
    if not averages[0].is_floating_point():
        torch._foreach_copy_(list(averages), list(values))
        return
    rate = 1 - ((1 + count) / (10 + count)).clamp(max=decay)  # a tensor, as reading it would wait for a GPU
    steps = torch._foreach_sub(list(values), list(averages))
    torch._foreach_mul_(steps, rate.to(averages[0].dtype))
    torch._foreach_add_(list(averages), steps)
