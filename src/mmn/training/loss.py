"""The training loss: label-smoothed cross entropy, and the agreement of the scales."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.data.pipeline.preprocess import Batch
from mmn.errors import UserError


class LossParts(NamedTuple):
    """Scalars: ``total = classification + weight × consistency``; ``consistency`` is None where it has no weight."""

    total: Tensor
    classification: Tensor
    consistency: Tensor | None


class MotionConsistencyLoss(nn.Module):
    """Cross entropy of the fused logits, and how far each scale's class distribution is from the fused one.

    The official code trains with the cross entropy alone: ``consistency_weight=0``, where the scales' logits are
    never computed.

    Args:
        label_smoothing: probability mass spread over all classes.
        consistency_weight: weight of the mean Jensen–Shannon divergence between each scale and the fusion.
    """

    def __init__(self, label_smoothing: float = 0.1, consistency_weight: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing, self.consistency_weight = label_smoothing, consistency_weight

    @property
    def needs_scales(self) -> bool:
        """Whether the scales' logits are needed at all."""
        return self.consistency_weight != 0.0

    def forward(self, logits: Tensor, labels: Tensor, scale_logits: Tensor | None = None) -> LossParts:
        """``logits (B, K)``, ``labels (B,)``, ``scale_logits (S, B, K)`` where ``needs_scales``."""
        classification = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if not self.needs_scales or scale_logits is None:
            return LossParts(classification, classification.detach(), None)
        consistency = jensen_shannon(scale_logits, logits.expand_as(scale_logits)).mean()
        total = classification + self.consistency_weight * consistency
        return LossParts(total, classification.detach(), consistency.detach())


def loss_of(network: nn.Module, loss: nn.Module, batch: Batch) -> tuple[Tensor, LossParts]:
    """Logits ``(B, K)`` of a batch and their loss.

    Any loss will do: ``loss(logits, labels)`` → a scalar, or ``LossParts``. One whose ``needs_scales`` is true is given
    the scales' logits ``(S, B, K)`` as well, from the network's ``forward_scales``.

    Raises:
        UserError: a loss that needs scales, and a network that has none.
    """
    if getattr(loss, "needs_scales", False):
        forward_scales: Any = getattr(network, "forward_scales", None)
        if forward_scales is None:
            raise UserError(
                f"{type(loss).__name__} compares scales, and {type(network).__name__} has no forward_scales; use a "
                "loss of the logits alone, such as loss.consistency_weight=0."
            )
        logits, scale_logits = forward_scales(batch.clips, batch.times)
        found = loss(logits, batch.labels, scale_logits)
    else:
        logits = network(batch.clips, batch.times)
        found = loss(logits, batch.labels)
    return logits, found if isinstance(found, LossParts) else LossParts(found, found.detach(), None)


def jensen_shannon(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Jensen–Shannon divergence in nats, in [0, ln 2], of two class distributions ``(..., K)`` → ``(...)``."""
    p, q = p_logits.float().log_softmax(-1), q_logits.float().log_softmax(-1)
    middle = torch.logaddexp(p, q) - torch.log(torch.tensor(2.0))
    return 0.5 * ((p.exp() * (p - middle)).sum(-1) + (q.exp() * (q - middle)).sum(-1))
