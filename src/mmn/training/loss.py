"""The training loss: label-smoothed cross entropy plus a consistency term between scales."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmn.data.pipeline.batch import Batch
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
        logit_adjustment: factor of the classes' log frequencies in training, which are added to the logits in the loss
            only, so that the network need not learn them (Menon et al., ICLR 2021); 1 is the balanced softmax.
    """

    log_prior: Tensor | None

    def __init__(
        self, label_smoothing: float = 0.1, consistency_weight: float = 0.0, logit_adjustment: float = 0.0
    ) -> None:
        super().__init__()
        self.label_smoothing, self.consistency_weight = label_smoothing, consistency_weight
        self.logit_adjustment = logit_adjustment
        self.register_buffer("log_prior", None, persistent=False)

    @property
    def needs_scales(self) -> bool:
        """Whether ``forward`` uses the scales' logits."""
        return self.consistency_weight != 0.0

    def count(self, clips_per_class: Tensor) -> None:
        """Set the number of clips per class that training shows, ``(K,)``; call once, before training."""
        share = clips_per_class.clamp(min=1).float() / clips_per_class.sum()
        self.log_prior = share.log()

    def forward(self, logits: Tensor, labels: Tensor, scale_logits: Tensor | None = None) -> LossParts:
        """The loss of a batch.

        Args:
            logits: ``(B, K)``.
            labels: ``(B,)``.
            scale_logits: ``(S, B, K)`` if ``needs_scales``.
        """
        adjusted = logits
        if self.logit_adjustment:
            if self.log_prior is None:
                raise UserError("loss.logit_adjustment needs the class counts; call the loss's count() first.")
            adjusted = logits + self.logit_adjustment * self.log_prior
        classification = F.cross_entropy(adjusted, labels, label_smoothing=self.label_smoothing)
        if not self.needs_scales or scale_logits is None:
            return LossParts(classification, classification.detach(), None)
        consistency = jensen_shannon(scale_logits, logits.expand_as(scale_logits)).mean()
        total = classification + self.consistency_weight * consistency
        return LossParts(total, classification.detach(), consistency.detach())


def compute_loss(
    network: Callable[[Tensor, Tensor], Tensor], loss: nn.Module, batch: Batch
) -> tuple[Tensor, LossParts]:
    """Logits ``(B, K)`` of a batch and their loss; ``(members · B, K)`` and the mean of their losses in an ensemble.

    Any ``loss(logits, labels)`` that returns a scalar or ``LossParts`` works. If its ``needs_scales`` is true, it also
    receives the scales' logits ``(S, B, K)`` from the network's ``forward_with_scale_logits``.

    Raises:
        UserError: the loss needs scales, but the network has none.
    """
    if getattr(loss, "needs_scales", False):
        forward: Any = getattr(network, "forward_with_scale_logits", None)
        if forward is None:
            raise UserError(
                f"{type(loss).__name__} compares scales, but {type(network).__name__} has no "
                "forward_with_scale_logits; use a loss of the logits only, such as loss.consistency_weight=0."
            )
        logits, scale_logits = forward(batch.clips, batch.times)
        given = [logits, repeated(batch.labels, logits), scale_logits]
    else:
        logits = network(batch.clips, batch.times)
        given = [logits, repeated(batch.labels, logits)]
    found = loss(*given)
    return logits, found if isinstance(found, LossParts) else LossParts(found, found.detach(), None)


def repeated(labels: Tensor, logits: Tensor) -> Tensor:
    """The labels of ``logits (members · B, K)``, from those of the batch ``(B,)``."""
    return labels if len(labels) == len(logits) else labels.repeat(len(logits) // len(labels))


def jensen_shannon(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """Jensen–Shannon divergence between two class distributions ``(..., K)`` → ``(...)``, in nats, 0 to ln 2."""
    p, q = p_logits.float().log_softmax(-1), q_logits.float().log_softmax(-1)
    middle = torch.logaddexp(p, q) - torch.log(torch.tensor(2.0))
    return 0.5 * ((p.exp() * (p - middle)).sum(-1) + (q.exp() * (q - middle)).sum(-1))
