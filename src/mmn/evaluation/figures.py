"""Metrics from counts: pure functions in double precision."""

import torch
from torch import Tensor


def group_confusion(confusion: Tensor, group_of_class: Tensor, num_groups: int) -> Tensor:
    """Confusion of classes ``(K, K)`` → of their groups ``(G, G)``, rows true, columns predicted."""
    rows = confusion.new_zeros(num_groups, confusion.shape[1]).index_add_(0, group_of_class, confusion)
    return confusion.new_zeros(num_groups, num_groups).index_add_(1, group_of_class, rows)


def accuracy(confusion: Tensor) -> float:
    """Share of clips on the diagonal of ``confusion (K, K)``, 0–1; NaN without clips."""
    counts = confusion.double()
    return float(counts.trace() / counts.sum())


def f1_macro(confusion: Tensor) -> float:
    """Mean F1 over the classes that were true or predicted at least once, 0–1.

    As scikit-learn computes it from the two lists of labels: a class seen in neither is left out.
    """
    counts = confusion.double()
    true, predicted, hit = counts.sum(1), counts.sum(0), counts.diagonal()
    seen = (true + predicted) > 0
    return float((2 * hit[seen] / (true + predicted)[seen]).mean())


def action_figures(confusion: Tensor, top5_hits: Tensor, group_of_class: Tensor | None) -> dict[str, float]:
    """The standard metrics, in percent.

    Micro F1 of single-label classes is accuracy. ``f1_mean`` is the mean of the four F1 of actions and body groups,
    and, like the body F1, needs groups.

    Args:
        confusion: ``(K, K)`` counts, rows true, columns predicted.
        top5_hits: clips whose class is among the top five, a scalar.
        group_of_class: ``(K,)``, or None without groups.
    """
    figures = {
        "top1": accuracy(confusion),
        "top5": float(top5_hits.double() / confusion.sum()),
        "action_f1_macro": f1_macro(confusion),
        "action_f1_micro": accuracy(confusion),
    }
    if group_of_class is not None:
        groups = group_confusion(confusion, group_of_class, int(group_of_class.max()) + 1)
        figures |= {"body_f1_macro": f1_macro(groups), "body_f1_micro": accuracy(groups)}
        four = ("action_f1_macro", "action_f1_micro", "body_f1_macro", "body_f1_micro")
        figures["f1_mean"] = sum(figures[name] for name in four) / 4
    return {name: 100.0 * value for name, value in figures.items()}


def top_classes(logits: Tensor, count: int = 5) -> Tensor:
    """Best classes ``(B, count)`` of ``logits (B, K)``, best first, the lower index first among equals.

    ``topk`` does not define the order of ties; a stable sort gives the same results on every device.
    """
    return logits.sort(dim=1, descending=True, stable=True).indices[:, :count]


def loss_of(logits: Tensor, labels: Tensor) -> float:
    """Mean cross entropy in nats of ``logits (N, K)``, to six decimals; the rest depends on summation order."""
    value = torch.nn.functional.cross_entropy(logits.double(), labels)
    return round(float(value), 6)
