"""The training loss and the learning-rate schedule."""

import math

import pytest
import torch
from torch.nn import functional as F

import mmn
from mmn.training.loss import MotionConsistencyLoss, jensen_shannon
from mmn.training.schedule import WarmupCosine


def test_with_zero_weight_the_loss_is_label_smoothed_cross_entropy_without_scales() -> None:
    logits, labels = torch.randn(5, 7), torch.randint(7, (5,))
    loss = MotionConsistencyLoss()
    assert not loss.needs_scales
    parts = loss(logits, labels)
    torch.testing.assert_close(parts.total, F.cross_entropy(logits, labels, label_smoothing=0.1))
    assert parts.consistency is None


def test_logit_adjustment_accounts_for_class_frequencies() -> None:
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    loss = MotionConsistencyLoss(logit_adjustment=0.5)
    with pytest.raises(mmn.UserError, match="class counts"):
        loss(logits, labels)
    loss.count(torch.tensor([60, 30, 10]))
    shifted = logits + 0.5 * torch.tensor([0.6, 0.3, 0.1]).log()
    torch.testing.assert_close(loss(logits, labels).total, F.cross_entropy(shifted, labels, label_smoothing=0.1))
    assert loss.state_dict() == {}


def test_a_consistency_weight_adds_the_divergence_of_the_scales() -> None:
    logits, labels, scales = torch.randn(5, 7), torch.randint(7, (5,)), torch.randn(4, 5, 7)
    parts = MotionConsistencyLoss(consistency_weight=2.0)(logits, labels, scales)
    torch.testing.assert_close(parts.total, parts.classification + 2.0 * parts.consistency)
    agreeing = MotionConsistencyLoss(consistency_weight=2.0)(logits, labels, logits.expand_as(scales))
    assert agreeing.consistency.item() == pytest.approx(0.0, abs=1e-6)


def test_jensen_shannon_is_symmetric_and_between_0_and_ln_2() -> None:
    p, q = torch.randn(6, 9) * 5, torch.randn(6, 9) * 5
    torch.testing.assert_close(jensen_shannon(p, q), jensen_shannon(q, p))
    apart = jensen_shannon(torch.tensor([[50.0, -50.0]]), torch.tensor([[-50.0, 50.0]]))
    assert apart.item() == pytest.approx(math.log(2))
    by_hand = [
        sum(0.5 * (a * math.log(2 * a / (a + b)) + b * math.log(2 * b / (a + b))) for a, b in zip(x, y, strict=True))
        for x, y in zip(p.softmax(-1).tolist(), q.softmax(-1).tolist(), strict=True)
    ]
    assert jensen_shannon(p, q).tolist() == pytest.approx(by_hand, abs=1e-6)


def test_the_consistency_term_trains_the_scales() -> None:
    network = mmn.MMN(5, 3, width=16, depth=1)
    logits, scales = network.forward_with_scale_logits(torch.randn(2, 64, 5, 2), torch.rand(2, 64))
    MotionConsistencyLoss(consistency_weight=1.0)(logits, torch.tensor([0, 2]), scales).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("steps_per_epoch", [1, 6, 175])
def test_every_learning_rate_matches_the_published_schedule(steps_per_epoch: int) -> None:
    total, warmup = 120 * steps_per_epoch, 20 * steps_per_epoch
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    schedule = WarmupCosine(optimizer, total, epochs=120, warmup_epochs=20, warmup_lr=1e-7, min_lr=1e-5)
    for step in range(total):
        if step < warmup:
            expected = 1e-7 + step * (1e-3 - 1e-7) / warmup
        else:
            expected = 1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + math.cos(math.pi * step / total))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        schedule.step()


def test_a_schedule_resumes_from_its_saved_state() -> None:
    def make() -> tuple[torch.optim.Optimizer, WarmupCosine]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
        return optimizer, WarmupCosine(optimizer, 50, epochs=10, warmup_epochs=2, warmup_lr=1e-7, min_lr=1e-5)

    optimizer, schedule = make()
    for _ in range(30):
        optimizer.step()
        schedule.step()
    other_optimizer, other = make()
    other_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(schedule.state_dict())
    for o, s in ((optimizer, schedule), (other_optimizer, other)):
        o.step()
        s.step()
    assert optimizer.param_groups[0]["lr"] == other_optimizer.param_groups[0]["lr"]
