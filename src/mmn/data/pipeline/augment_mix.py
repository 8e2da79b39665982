"""Mixing of clips: body parts are replaced by those of another clip, and labels mixed accordingly."""

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import probability
from mmn.data.pipeline.draws import Draws


class MixParts:
    """With probability ``p``, replace each body part, with probability ½, by that of another training clip.

    The label is mixed in proportion to the joints of each clip.
    """

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def partners(self, draws: Draws, purpose: int, clips: Tensor) -> Tensor:
        """The clip ``(B,)``, drawn from ``clips (N,)``, that each clip of the batch is mixed with."""
        choice = draws.uniform(purpose, 1)[:, 0].double()
        return clips.index_select(0, (choice * len(clips)).long())

    def __call__(self, own: Tensor, other: Tensor, draws: Draws, purpose: int, layout: Layout) -> tuple[Tensor, Tensor]:
        """Mixed clips, and the share ``(B,)`` of each one's own joints.

        Args:
            own: ``(B, T, V, C)``, joints in network order.
            other: the partners, likewise.
            draws: random draws of the batch.
            purpose: purpose of the draws, different from that of any step.
            layout: the skeleton.
        """
        uniform = draws.uniform(purpose, 2 + len(layout.parts))[:, 1:]  # the first chose the partner
        taken = (uniform[:, 1:] < 0.5) & (uniform[:, :1] < self.p)
        sizes = torch.tensor([len(joints) for joints in layout.parts.values()])
        part = torch.arange(len(sizes)).repeat_interleave(sizes)  # of each joint: network order keeps parts together
        joints = taken.index_select(1, part.to(own.device, non_blocking=True))  # (B, V)
        share = 1.0 - joints.to(own.dtype).mean(dim=1)
        return torch.where(joints[:, None, :, None], other, own), share
