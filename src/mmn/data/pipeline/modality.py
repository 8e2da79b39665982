"""Modalities, the network's input: joints or bones, positions or motion, one of them or all as channels."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mmn.data.format.layout import Layout
from mmn.errors import UserError

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
MODALITIES = (*STREAMS, "all")
BONE_RULES = ("official", "tree")
_EXACT = "donot_use_mm_for_euclid_dist"  # differences of coordinates, not of their squares


@dataclass(frozen=True)
class Modality:
    """One of ``joint``, ``bone``, ``joint_motion``, ``bone_motion``, or ``all`` of them as channels.

    Attributes:
        name: name of the modality.
        bone_rule: how a bone is assigned to a joint, ``official`` or ``tree``; see ``Layout.bone_end``.
        spans: numbers of sampled frames over which motion is taken, a later frame minus the current one, zero at the
            end; each adds channels.
        distances: with ``all``, also the distance of every joint to the centroid of each body part.
        shown: with ``all``, the streams that are not zeroed; None for all of them.

    Raises:
        UserError: unknown name, bone rule or stream, or invalid spans.
    """

    name: str
    bone_rule: str = "official"
    spans: Sequence[int] = (1,)
    distances: bool = False
    shown: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "spans", _listed(self.spans))  # lists come from configs
        object.__setattr__(self, "shown", None if self.shown is None else _listed(self.shown))
        for what, value, known in (
            ("modality", self.name, MODALITIES),
            ("bone rule", self.bone_rule, BONE_RULES),
            *(("stream", stream, self.streams) for stream in self.shown or ()),
        ):
            if value not in known:
                raise UserError(f"unknown {what} {value!r}; choose one of {', '.join(known)}.")
        if not self.spans or not all(type(span) is int and span >= 1 for span in self.spans):
            raise UserError(f"modality.spans is {list(self.spans)}; use numbers of frames from 1 on.")
        for key, values in (("spans", self.spans), ("shown", self.shown)):
            if values is not None and (not values or len(set(values)) < len(values)):
                raise UserError(f"modality.{key} is {list(values)}; give at least one, and none twice.")
        if (self.distances or self.shown is not None) and self.name != "all":
            raise UserError(f"modality.distances and modality.shown need modality=all, not {self.name}.")

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams in the order of their channels."""
        if self.name != "all":
            return (self.name,)
        return (*STREAMS, "distance") if self.distances else STREAMS

    def widths(self, coordinates: int, layout: Layout) -> tuple[int, ...]:
        """Channels of each of ``streams``."""
        of = {"distance": len(layout.parts), "joint": coordinates, "bone": coordinates}
        return tuple(of.get(stream, coordinates * len(self.spans)) for stream in self.streams)

    def channels(self, coordinates: int, layout: Layout) -> int:
        """Input channels per joint for clips of 2 or 3 ``coordinates``."""
        return sum(self.widths(coordinates, layout))

    def channel_names(self, coordinates: int, layout: Layout) -> list[str]:
        """What each input channel is, such as ``bone x``, ``joint_motion y over 4`` or ``distance left_arm``."""
        names = []
        for stream in self.streams:
            if stream == "distance":
                names += [f"distance {part}" for part in layout.parts]
                continue
            spans = [f" over {span}" for span in self.spans] if stream.endswith("motion") else [""]
            names += [f"{stream} {axis}{span}" for span in spans for axis in "xyz"[:coordinates]]
        return names

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for checkpoints."""
        plain = asdict(self)
        return {**plain, "spans": list(self.spans), "shown": None if self.shown is None else list(self.shown)}

    def select(self, clips: Tensor, layout: Layout, lost: Tensor | None = None) -> Tensor:
        """Compute the modality of clips with a single-use ``Selection``."""
        return Selection(self, layout, clips.device)(clips, lost)


class Selection:
    """Computes a modality of clips of one layout.

    Args:
        modality: the modality to compute.
        layout: the clips' skeleton.
        device: device of the clips.
    """

    def __init__(self, modality: Modality, layout: Layout, device: torch.device) -> None:
        self.modality = modality
        self.order = torch.tensor(layout.order, device=device)
        self.end = torch.from_numpy(layout.bone_end(modality.bone_rule)).to(device)
        self.parts = [torch.tensor(joints, dtype=torch.long, device=device) for joints in layout.parts.values()]

    def __call__(self, clips: Tensor, lost: Tensor | None = None) -> Tensor:
        """Joints ``(B, T, V, C)`` in the layout's order → the modality ``(B, T, V, channels)``, in network order.

        Args:
            clips: normalised joints.
            lost: ``(B, V)``, joints to hide; they and the bones attached to them are zeroed.
        """
        poses: dict[bool, Tensor] = {}  # of joints and of bones, each computed once

        def pose(bones: bool) -> Tensor:
            if bones not in poses:
                poses[bones] = self._pose(clips, bones)
            return poses[bones]

        shown = [self._stream(stream, clips, pose, lost) for stream in self.modality.streams]
        return shown[0] if len(shown) == 1 else torch.cat(shown, dim=-1)

    def _stream(self, stream: str, clips: Tensor, pose: Callable[[bool], Tensor], lost: Tensor | None) -> Tensor:
        modality, bones = self.modality, stream.startswith("bone")
        if stream == "distance":
            x = self._distances(clips, lost)
        elif not stream.endswith("motion"):
            x = pose(bones)
        else:
            x = torch.cat([_moved(pose(bones), span) for span in modality.spans], dim=-1)
        if lost is not None:
            blank = (lost | lost.index_select(1, self.end)) if bones else lost
            x = x.masked_fill(blank.index_select(1, self.order)[:, None, :, None], 0.0)
        return x if modality.shown is None or stream in modality.shown else torch.zeros_like(x)

    def _pose(self, joints: Tensor, bones: bool) -> Tensor:
        """Joints, or bones, in network order; a joint without a bone has a zero one."""
        x = _pick(joints, self.order)
        return x.sub_(_pick(joints, self.end[self.order])) if bones else x

    def _distances(self, clips: Tensor, lost: Tensor | None) -> Tensor:
        """Distance of every joint to the centroid of each body part, without lost joints ``(B, T, V, parts)``."""
        kept = clips.new_ones(1, clips.shape[2]) if lost is None else (~lost).to(clips.dtype)
        counts = torch.stack([kept.index_select(1, joints).sum(dim=1) for joints in self.parts], dim=1)  # (B, parts)
        seen = clips * kept[:, None, :, None]
        sums = torch.stack([_pick(seen, joints).sum(dim=2) for joints in self.parts], dim=2)  # (B, T, parts, C)
        middles = sums / counts.clamp(min=1)[:, None, :, None]
        joints = _pick(clips, self.order)
        apart = torch.cdist(joints.flatten(0, 1), middles.flatten(0, 1), compute_mode=_EXACT)
        return apart.unflatten(0, clips.shape[:2]) * (counts > 0)[:, None, None, :]


def _listed(values: Any) -> tuple[Any, ...]:
    return (values,) if isinstance(values, str | int | float) else tuple(values)


def _moved(poses: Tensor, span: int) -> Tensor:
    """``(B, T, V, C)``, the difference from each frame to the one ``span`` later; zero at the end."""
    moved = torch.zeros_like(poses)
    if span < poses.shape[1]:
        torch.sub(poses[:, span:], poses[:, :-span], out=moved[:, :-span])
    return moved


def _pick(clips: Tensor, joints: Tensor) -> Tensor:
    """``clips[:, :, joints]`` by flat rows, five times as fast as joint by joint."""
    batch, frames, _, channels = clips.shape
    columns = (joints.unsqueeze(1) * channels + torch.arange(channels, device=joints.device)).flatten()
    picked = clips.flatten(2).view(batch * frames, -1).index_select(1, columns)
    return picked.view(batch, frames, len(joints), channels)
