"""Several networks in one, trained together: an ensemble in a single run and checkpoint."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from mmn.errors import UserError
from mmn.model.compiling import compile_parts, parts_of
from mmn.model.mmn import MMN


class MMNEnsemble(nn.Module):
    """MMNs of the same sizes, each with its own weights, whose class probabilities are averaged.

    In training, ``net(clips (B, T, V, C), times (B, T))`` returns the logits of all members, one after the other,
    ``(members · B, K)``, as each has a loss of its own (see ``mmn.training.loss.compute_loss``): trained on their mean,
    members would rely on each other. In evaluation, it returns ``(B, K)``, see ``mean_of_members``.

    Args:
        num_joints: see ``MMN``.
        num_classes: see ``MMN``.
        members: number of networks.
        sizes: the other arguments of each ``MMN``.

    Raises:
        UserError: no members, or sizes that do not fit together.
    """

    def __init__(self, num_joints: int, num_classes: int, *, members: int = 3, **sizes: Any) -> None:
        super().__init__()
        if type(members) is not int or members < 1:
            raise UserError(f"the network's members is {members}; use at least 1.")
        networks = [MMN(num_joints, num_classes, **sizes) for _ in range(members)]
        self.config: dict[str, Any] = {**networks[0].config, "members": members}
        self.members: Any = nn.ModuleList(networks)

    fuse = MMN.fuse  # the same for both

    @property
    def recompute(self) -> bool:
        """Whether block features are recomputed in the backward pass, to save memory."""
        return all(member.recompute for member in self.members)

    @recompute.setter
    def recompute(self, recompute: bool) -> None:
        for member in self.members:
            member.recompute = recompute

    def joint_axes(self) -> dict[str, tuple[int, ...]]:
        """Joint axes of the state-dict entries that have any; see ``MMN.joint_axes``."""
        return {f"{place}.{name}": axes for place, m in self._named() for name, axes in m.joint_axes().items()}

    def channel_axes(self) -> dict[str, tuple[int, ...]]:
        """Input-channel axes of the state-dict entries that have any."""
        return {f"{place}.{name}": axes for place, m in self._named() for name, axes in m.channel_axes().items()}

    def scaling_graphs(self) -> list[str]:
        """The joint graphs that act only through their column sums; see ``MMN.scaling_graphs``."""
        return [f"{place}.{name}" for place, member in self._named() for name in member.scaling_graphs()]

    def stages(self) -> list[list[nn.Module]]:
        """The members' parts from input to output, those of the same depth together."""
        return [list(chain(*stage)) for stage in zip(*(member.stages() for member in self.members), strict=True)]

    def _named(self) -> list[tuple[str, MMN]]:
        return [(f"members.{index}", member) for index, member in enumerate(self.members)]

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, C)``, ``times (B, T)`` → logits ``(members · B, K)`` in training, else ``(B, K)``."""
        logits = [member(clips, times) for member in self.members]
        return torch.cat(logits) if self.training else mean_of_members(logits)

    def forward_with_scale_logits(self, clips: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """In training: the logits ``(members · B, K)`` and those of each scale ``(S, members · B, K)``."""
        fused, scales = zip(*(member.forward_with_scale_logits(clips, times) for member in self.members), strict=True)
        return torch.cat(fused), torch.cat(scales, dim=1)

    def compile_parts(self, backend: str = "inductor") -> None:
        """Compile the parts of all members; see ``MMN.compile_parts``."""
        compile_parts(parts_of(self), backend)


def classifiers(network: nn.Module) -> dict[str, nn.Module]:
    """The last layers by name: the network's ``classifier`` or, in an ensemble, that of each member; empty if none."""
    parts: dict[str, nn.Module] = {"": network}
    members = getattr(network, "members", None)
    if isinstance(members, nn.ModuleList) and not hasattr(network, "classifier"):
        parts = {f"members.{index}.": member for index, member in enumerate(members)}
    found = {f"{place}classifier": getattr(part, "classifier", None) for place, part in parts.items()}
    return {name: layer for name, layer in found.items() if isinstance(layer, nn.Module)}


def mean_of_members(logits: Sequence[Tensor]) -> Tensor:
    """The logarithm of the mean of the members' class probabilities, from their logits ``(B, K)``, in float32."""
    log_probabilities = torch.stack([x.float().log_softmax(dim=-1) for x in logits])
    return log_probabilities.logsumexp(dim=0) - math.log(len(logits))
