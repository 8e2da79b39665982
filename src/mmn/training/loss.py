"""The training loss: label-smoothed cross entropy, and the agreement of the scales."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


def jensen_shannon(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Jensen–Shannon divergence in nats, in [0, ln 2], of two class distributions ``(..., K)`` → ``(...)``."""
    p, q = p_logits.float().log_softmax(-1), q_logits.float().log_softmax(-1)
    middle = torch.logaddexp(p, q) - torch.log(torch.tensor(2.0))
    return 0.5 * ((p.exp() * (p - middle)).sum(-1) + (q.exp() * (q - middle)).sum(-1))
