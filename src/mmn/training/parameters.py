"""Which parameters are trained, and how fast each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

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


@dataclass(frozen=True)
class Held:
    """A parameter of which only some entries are trained; ``entries`` says which are not."""

    parameter: nn.Parameter
    entries: Tensor


def freeze_body(network: nn.Module, new: Collection[str] = (), new_joints: Collection[int] = ()) -> list[Held]:
    """Train only the classifier, ``new`` parameters and, of tables and graphs, what concerns ``new_joints``.

    Frozen layers keep their statistics.

    Args:
        network: changed in place.
        new: names of parameters.
        new_joints: places in network order.

    Returns:
        The parameters that are trained in part; see ``hold``.

    Raises:
        UserError: a network without a ``classifier``.
    """
    if not hasattr(network, CLASSIFIER):
        raise UserError(f"{type(network).__name__} has no {CLASSIFIER} for freeze=body to train; use freeze=none.")
    axes: dict[str, tuple[int, ...]] = getattr(network, "joint_axes", dict)() if new_joints else {}
    held = []
    for name, parameter in network.named_parameters():
        if name.startswith(f"{CLASSIFIER}.") or name in new:
            continue
        if name in axes:
            entries = torch.ones_like(parameter, dtype=torch.bool)
            for axis in axes[name]:
                entries.index_fill_(axis, torch.tensor(sorted(new_joints), device=entries.device), False)
            held.append(Held(parameter, entries))
        else:
            parameter.requires_grad_(False)
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()  # Lightning leaves it so
    return held


def hold(optimizer: Optimizer, held: Sequence[Held]) -> None:
    """Undo what each step does to the entries that are held: a mask of gradients would leave them weight decay."""
    before: list[Tensor] = []

    def keep(*_: Any) -> None:
        before[:] = [part.parameter.detach().clone() for part in held]

    def restore(*_: Any) -> None:
        with torch.no_grad():
            for part, values in zip(held, before, strict=True):
                part.parameter.copy_(torch.where(part.entries.to(values.device), values, part.parameter))

    if held:
        optimizer.register_step_pre_hook(keep)
        optimizer.register_step_post_hook(restore)
