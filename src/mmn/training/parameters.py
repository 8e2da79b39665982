"""Which parameters are trained, and at which learning rate."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mmn.errors import UserError
from mmn.model.ensemble import classifiers


def groups_by_stage(network: nn.Module, decay: float) -> tuple[list[dict[str, Any]], list[float]]:
    """Parameter groups for an optimiser, and the factor of each group's learning rate.

    Args:
        network: needs ``stages()``, its parts from input to output, unless ``decay`` is 1.
        decay: factor from the learning rate of a stage to that of the stage before it; 1 for a single group.

    Returns:
        The groups, from output to input: the first has the full learning rate.

    Raises:
        UserError: the network has no ``stages()``.
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
    """A partly trained parameter; ``entries`` is True where it is frozen."""

    parameter: nn.Parameter
    entries: Tensor


def freeze_body(network: nn.Module, new: Collection[str] = (), new_joints: Collection[int] = ()) -> list[Held]:
    """Freeze all but the classifier, the ``new`` parameters, and the table and graph entries of ``new_joints``.

    Frozen batch normalisations keep their running statistics.

    Args:
        network: changed in place.
        new: names of parameters.
        new_joints: indices in network order.

    Returns:
        The partly trained parameters; see ``hold``.

    Raises:
        UserError: the network has no ``classifier``.
    """
    last = tuple(f"{name}." for name in classifiers(network))
    if not last:
        raise UserError(f"{type(network).__name__} has no classifier for freeze=body to train; use freeze=none.")
    axes: dict[str, tuple[int, ...]] = getattr(network, "joint_axes", dict)() if new_joints else {}
    axes = axes | {name: axes[name][-1:] for name in getattr(network, "scaling_graphs", list)() if name in axes}
    held = []
    for name, parameter in network.named_parameters():
        if name.startswith(last) or name in new:
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
            module.eval()  # Lightning keeps this mode
    return held


def hold(optimizer: Optimizer, held: Sequence[Held]) -> None:
    """Restore frozen entries after each optimiser step: masking their gradients would not stop weight decay."""
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
