"""Seeding, learning-rate scaling and accuracy of the LightningModule, without a run."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mmn.training.module import MMNModule, top1_percent


def drawn(seed: int = 1, epoch: int = 0, batch: int = 0, rank: int = 0) -> list[float]:
    module: Any = SimpleNamespace(seed=seed, current_epoch=epoch, global_rank=rank)
    MMNModule.seed_step(module, batch)
    return torch.rand(3).tolist()


def test_dropout_depends_only_on_seed_epoch_batch_and_process() -> None:
    assert drawn() == drawn()
    others = [drawn(seed=2), drawn(epoch=1), drawn(batch=1), drawn(rank=1)]
    assert len({tuple(draws) for draws in [drawn(), *others]}) == 5


@pytest.mark.parametrize(
    ("batch", "processes", "accumulated", "factor"), [(32, 1, 1, 1), (32, 4, 2, 8), (16, 1, 1, 0.5)]
)
def test_the_learning_rate_scales_with_clips_per_step_over_all_processes(
    batch: int, processes: int, accumulated: int, factor: float
) -> None:
    trainer = SimpleNamespace(
        datamodule=SimpleNamespace(batch_size=batch), world_size=processes, accumulate_grad_batches=accumulated,
        estimated_stepping_batches=10, fit_loop=SimpleNamespace(setup_data=lambda: None),
    )  # fmt: skip
    module: Any = SimpleNamespace(
        network=torch.nn.Linear(2, 2), make_optimizer=lambda p: torch.optim.SGD(p, lr=0.1), reference_batch=32,
        layer_decay=1.0, held=[], trainer=trainer,
        steps_per_epoch=5, make_scheduler=lambda optimizer, **lengths: lengths,
    )  # fmt: skip
    configured: Any = MMNModule.configure_optimizers(module)
    assert configured["optimizer"].param_groups[0]["lr"] == pytest.approx(0.1 * factor)
    assert configured["lr_scheduler"]["scheduler"] == {"total_steps": 10, "epochs": 2.0}


def test_top1_is_the_percentage_of_correct_clips() -> None:
    logits = torch.eye(4)[[0, 1, 2, 2]]
    assert float(top1_percent(logits, torch.tensor([0, 1, 2, 3]))) == 75.0


@pytest.mark.parametrize(("batches", "accumulated", "steps"), [(7, 3, 3), (6, 3, 2), (1, 4, 1)])
def test_an_incomplete_last_step_counts_as_a_step(batches: int, accumulated: int, steps: int) -> None:
    module: Any = SimpleNamespace(
        trainer=SimpleNamespace(num_training_batches=batches, accumulate_grad_batches=accumulated)
    )
    assert MMNModule.steps_per_epoch.fget(module) == steps  # type: ignore[attr-defined]


def test_clips_without_a_label_do_not_count_towards_the_validation_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    monkeypatch.setattr("mmn.training.module.infer", lambda *_: logits)
    means: list[list[float]] = []
    module: Any = SimpleNamespace(
        _inference=[None],
        graphs=None,
        val_loss=SimpleNamespace(update=lambda *values: means.append([value.tolist() for value in values])),
        val_metrics=SimpleNamespace(update=lambda *_: None),
    )
    batch: Any = SimpleNamespace(clips=None, times=None, labels=torch.tensor([0, -1]))
    MMNModule.validation_step(module, batch, 0)
    [(losses, weights)] = means
    assert losses == pytest.approx([float(torch.log1p(torch.tensor(-2.0).exp())), 0.0])
    assert weights == [1.0, 0.0]


@pytest.mark.parametrize(("fused", "expected"), [(True, 5.0), (False, 40.0)])
def test_the_gradient_norm_is_that_of_the_unscaled_loss(fused: bool, expected: float) -> None:
    network = torch.nn.Linear(2, 1, bias=False)
    network.weight.grad = torch.tensor([[24.0, 32.0]])  # scaled by 8; without a fused optimiser, Lightning unscales
    logged: dict[str, float] = {}
    scaler = SimpleNamespace(get_scale=lambda: 8.0)
    trainer = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))
    module: Any = SimpleNamespace(trainer=trainer, network=network, log=logged.__setitem__, _is_logged=True)
    optimizer: Any = SimpleNamespace(_step_supports_amp_scaling=fused)
    MMNModule.on_before_optimizer_step(module, optimizer)
    assert float(logged["grad_norm"]) == expected
