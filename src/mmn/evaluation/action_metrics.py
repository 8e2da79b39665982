"""The metrics as a stateful torchmetrics object; its counts add up over batches and processes."""

import torch
from torch import Tensor
from torchmetrics import Metric

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN
from mmn.evaluation.logits import top_classes
from mmn.evaluation.metrics import counts_of, metrics_of


class ActionMetrics(Metric):
    """Top-1, Top-5, F1 of actions and body groups, and their mean, in percent.

    Clips with unknown labels are ignored.

    Args:
        classes: class names and, if any, their groups.
        sync: sum over processes; False if every process sees all clips.
    """

    full_state_update = False
    confusion: Tensor
    top5_hits: Tensor

    def __init__(self, classes: Classes, sync: bool = True) -> None:
        super().__init__(sync_on_compute=sync)
        self.classes, k = classes, len(classes.names)
        self.add_state("confusion", torch.zeros(k, k, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("top5_hits", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count ``logits (B, K)`` against ``labels (B,)``."""
        known = labels != UNKNOWN
        weight = known.long()
        best = top_classes(logits)
        k = self.confusion.shape[0]
        cells = labels.clamp(min=0) * k + best[:, 0]
        self.confusion += torch.zeros_like(self.confusion).view(-1).index_add_(0, cells, weight).view(k, k)
        self.top5_hits += ((best == labels.unsqueeze(1)).any(dim=1) & known).sum()

    def compute(self) -> dict[str, float]:
        """The metrics of ``metrics_of``."""
        actions, bodies = counts_of(self.confusion.cpu().numpy(), self.classes)
        return {name: float(value) for name, value in metrics_of(actions, bodies, float(self.top5_hits)).items()}
