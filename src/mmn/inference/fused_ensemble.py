"""An ensemble for inference."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from mmn.inference.fused import FusedMMN
from mmn.model.compiling import compile_parts, parts_of
from mmn.model.ensemble import MMNEnsemble, mean_of_members
from mmn.model.mmn import MMN


class FusedEnsemble(nn.Module):
    """An ``MMNEnsemble`` for inference: the mean of the members' class probabilities, as logits.

    Args:
        members: the fused networks.
    """

    def __init__(self, members: Iterable[FusedMMN]) -> None:
        super().__init__()
        self.members: Any = nn.ModuleList(members)

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, coordinates)``, ``times (B, T)`` → logits ``(B, K)``."""
        return mean_of_members([member(clips, times) for member in self.members])

    def compile_parts(self, backend: str = "inductor") -> None:
        """Compile the parts of all members, in place. All batches must have the same size."""
        compile_parts(parts_of(self), backend)


def fused(network: MMN | MMNEnsemble, make: Callable[[MMN], FusedMMN]) -> FusedMMN | FusedEnsemble:
    """``make(network)``, or in an ensemble that of each member."""
    if isinstance(network, MMNEnsemble):
        return FusedEnsemble(make(member) for member in network.members)
    return make(network)
