"""What the network sees of a clip: joints or bones, positions or motion."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mmn.data.layout import Layout
from mmn.errors import UserError

MODALITIES = ("joint", "bone", "joint_motion", "bone_motion")


@dataclass(frozen=True)
class Modality:
    """One of ``joint``, ``bone``, ``joint_motion``, ``bone_motion``.

    Raises:
        UserError: any other name.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in MODALITIES:
            raise UserError(f"there is no modality {self.name!r}; choose one of {', '.join(MODALITIES)}.")

    def select(self, clips: Tensor, layout: Layout) -> Tensor:
        """Joints ``(B, T, V, C)`` in the layout's order → this modality, same shape, in network order.

        Bone: a joint's vector along the bone it starts, zero where it starts none. Motion: next minus current
        frame, the last frame zero.
        """
        order = torch.tensor(layout.order, device=clips.device)
        x = clips[:, :, order]
        if self.name.startswith("bone"):
            end = torch.from_numpy(layout.bone_end()).to(clips.device)
            x = x - clips[:, :, end[order]]  # a joint without a bone ends in itself
        if self.name.endswith("motion"):
            x = torch.cat([x[:, 1:] - x[:, :-1], torch.zeros_like(x[:, :1])], dim=1)
        return x
