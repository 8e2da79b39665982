"""Which parameters are trained, and how fast each."""

from collections.abc import Collection
from typing import Any

from torch import nn

from mmn.errors import UserError

CLASSIFIER = "classifier"
"""The last layer, by name."""


def groups_by_stage(network: nn.Module, decay: float) -> tuple[list[dict[str, Any]], list[float]]:
    """Parameter groups for an optimiser, and by what to multiply the learning rate of each.

    Args:
        network: with ``decay`` other than 1 one with ``stages()``, its parts from input to output.
        decay: factor of the learning rate from a stage to the one before; 1 for a single group.

    Returns:
        The groups, from output to input: the first has the full learning rate.

    Raises:
        UserError: a network that does not name its stages.
    """
    if decay == 1.0:
        return [{"params": list(network.parameters())}], [1.0]
    if not hasattr(network, "stages"):
        raise UserError(f"{type(network).__name__} has no stages(), which optimizer.layer_decay needs; set it to 1.")
    groups: list[dict[str, Any]] = []
    for stage in reversed(network.stages()):  # type: ignore[operator]
        groups.append({"params": [parameter for part in stage for parameter in part.parameters()]})
    staged = {parameter for group in groups for parameter in group["params"]}
    groups[0]["params"] += [parameter for parameter in network.parameters() if parameter not in staged]
    return groups, [decay**distance for distance in range(len(groups))]


def freeze_body(network: nn.Module, new: Collection[str] = ()) -> None:
    """Stop the training of all but the classifier and ``new`` parameters; frozen layers keep their statistics.

    Raises:
        UserError: a network without a ``classifier``.
    """
    if not hasattr(network, CLASSIFIER):
        raise UserError(f"{type(network).__name__} has no {CLASSIFIER} for freeze=body to train; use freeze=none.")
    for name, parameter in network.named_parameters():
        if not name.startswith(f"{CLASSIFIER}.") and name not in new:
            parameter.requires_grad_(False)
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()  # Lightning leaves it so
