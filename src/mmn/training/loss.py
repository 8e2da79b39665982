"""The training loss: label-smoothed cross entropy plus a consistency term between scales."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.data.pipeline.preprocess import Batch
from mmn.errors import UserError


class LossParts(NamedTuple):
    """Scalars: ``total = classification + weight × consistency``; ``consistency`` is None if its weight is 0."""

    total: Tensor
    classification: Tensor
    consistency: Tensor | None


class MotionConsistencyLoss(nn.Module):
    """Cross entropy of the fused logits plus the divergence of each scale's class distribution from the fused one.

    The official code trains with cross entropy only: ``consistency_weight=0``, which never computes the scales' logits.

    Args:
        label_smoothing: probability mass spread over all classes.
        consistency_weight: weight of the mean Jensen–Shannon divergence between each scale and the fusion.
    """

    def __init__(self, label_smoothing: float = 0.1, consistency_weight: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing, self.consistency_weight = label_smoothing, consistency_weight

    @property
    def needs_scales(self) -> bool:
        """Whether ``forward`` uses the scales' logits."""
        return self.consistency_weight != 0.0

    def forward(self, logits: Tensor, labels: Tensor, scale_logits: Tensor | None = None) -> LossParts:
        """``logits (B, K)``, ``labels (B,)``, ``scale_logits (S, B, K)`` if ``needs_scales``."""
        classification = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        if not self.needs_scales or scale_logits is None:
            return LossParts(classification, classification.detach(), None)
        consistency = jensen_shannon(scale_logits, logits.expand_as(scale_logits)).mean()
        total = classification + self.consistency_weight * consistency
        return LossParts(total, classification.detach(), consistency.detach())


def compute_loss(network: nn.Module, loss: nn.Module, batch: Batch) -> tuple[Tensor, LossParts]:
    """Logits ``(B, K)`` of a batch and their loss.

    Any ``loss(logits, labels)`` that returns a scalar or ``LossParts`` works. If its ``needs_scales`` is true, it also
    receives the scales' logits ``(S, B, K)`` from the network's ``forward_scales``.

    Raises:
        UserError: the loss needs scales and the network has none.
    """
    if getattr(loss, "needs_scales", False):
        forward_scales: Any = getattr(network, "forward_scales", None)
        if forward_scales is None:
            raise UserError(
                f"{type(loss).__name__} compares scales, and {type(network).__name__} has no forward_scales; use a "
                "loss of the logits only, such as loss.consistency_weight=0."
            )
        logits, scale_logits = forward_scales(batch.clips, batch.times)
        found = loss(logits, batch.labels, scale_logits)
    else:
        logits = network(batch.clips, batch.times)
        found = loss(logits, batch.labels)
    return logits, found if isinstance(found, LossParts) else LossParts(found, found.detach(), None)


def jensen_shannon(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Jensen–Shannon divergence between two class distributions ``(..., K)`` → ``(...)``, in nats, 0 to ln 2."""
    p, q = p_logits.float().log_softmax(-1), q_logits.float().log_softmax(-1)
    middle = torch.logaddexp(p, q) - torch.log(torch.tensor(2.0))
    return 0.5 * ((p.exp() * (p - middle)).sum(-1) + (q.exp() * (q - middle)).sum(-1))
