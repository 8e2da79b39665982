"""The moving average of the weights."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mmn.errors import UserError
from mmn.training.averaging import MovingAverage


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    callback = MovingAverage(decay)
    return AveragedModel(network, use_buffers=True, **callback._kwargs)


def test_the_initial_batch_statistics_are_soon_forgotten() -> None:
    norm = nn.BatchNorm1d(1)
    average = averaged(norm, 0.99)
    for _ in range(100):
        norm(1e-2 * torch.randn(64, 1))  # the variance falls from 1 to 1e-4
        average.update_parameters(norm)
    assert average.module.running_var.item() < 3e-4
    assert average.module.num_batches_tracked.item() == 100


def test_an_average_in_the_long_run_has_the_given_decay() -> None:
    network = nn.Linear(1, 1)
    average = averaged(network, 0.9)
    with torch.no_grad():
        for _ in range(200):
            network.weight.fill_(0.0)
            average.update_parameters(network)
        network.weight.fill_(1.0)
        for _ in range(5):
            average.update_parameters(network)
    assert average.module.weight.item() == pytest.approx(1 - 0.9**5, abs=1e-5)


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_that_keeps_nothing_new_is_refused(decay: float) -> None:
    with pytest.raises(UserError, match="must be at least 0 and below 1"):
        MovingAverage(decay)
