"""What the network sees of a clip: joints or bones, positions or motion."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.errors import UserError

MODALITIES = ("joint", "bone", "joint_motion", "bone_motion")
BONE_RULES = ("official", "tree")


@dataclass(frozen=True)
class Modality:
    """One of ``joint``, ``bone``, ``joint_motion``, ``bone_motion``.

    Attributes:
        name: which.
        bone_rule: which bone is a joint's, ``official`` or ``tree``; see ``Layout.bone_end``.

    Raises:
        UserError: any other name or rule.
    """

    name: str
    bone_rule: str = "official"

    def __post_init__(self) -> None:
        if self.name not in MODALITIES:
            raise UserError(f"there is no modality {self.name!r}; choose one of {', '.join(MODALITIES)}.")
        if self.bone_rule not in BONE_RULES:
            raise UserError(f"there is no bone rule {self.bone_rule!r}; choose one of {', '.join(BONE_RULES)}.")

    def select(self, clips: Tensor, layout: Layout) -> Tensor:
        """Joints ``(B, T, V, C)`` in the layout's order → this modality, same shape, in network order.

        Bone: a joint minus the end of its bone, zero where it has none. Motion: next minus current
        frame, the last frame zero.
        """
        return self.move(self.pose(clips, layout))

    def pose(self, clips: Tensor, layout: Layout) -> Tensor:
        """What is taken within a frame: joints or bones ``(…, V, C)``, in network order."""
        order = torch.tensor(layout.order, device=clips.device)
        x = clips.index_select(-2, order)
        if not self.name.startswith("bone"):
            return x
        end = torch.from_numpy(layout.bone_end(self.bone_rule)).to(clips.device)
        return x - clips.index_select(-2, end[order])  # a joint without a bone ends in itself

    def move(self, poses: Tensor) -> Tensor:
        """What is taken between frames: ``(B, T, V, C)`` as it is, or its motion."""
        if not self.name.endswith("motion"):
            return poses
        moved = torch.empty_like(poses)
        torch.sub(poses[:, 1:], poses[:, :-1], out=moved[:, :-1])
        moved[:, -1] = 0
        return moved
