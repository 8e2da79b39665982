"""Initialise a network from another's weights: classes, joints and channels by name, everything else by shape."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmn.data.format.layout import Layout
from mmn.errors import UserError
from mmn.inference.stream import Stream
from mmn.model.ensemble import classifiers


@dataclass(frozen=True)
class Origin:
    """A network to start from.

    Attributes:
        path: its file.
        network: the network.
        joints: names in network order; None if unknown.
        classes: names; None if unknown.
        channels: names of the input channels, see ``Modality.channel_names``; None if unknown.
    """

    path: str
    network: nn.Module
    joints: list[str] | None
    classes: list[str] | None
    channels: list[str] | None = None


@dataclass(frozen=True)
class CarriedOver:
    """What was carried over from one network to another.

    Attributes:
        source: file of the origin.
        classes: classes with the origin's classifier row.
        new_classes: classes with a new row.
        joints: joints with the origin's table entries and graph rows.
        new_joints: the other joints → the joint each is copied from; None if no known joint is near.
        new_channels: input channels whose weights are new.
        new: names of entirely new parameters.
    """

    source: str
    classes: list[str]
    new_classes: list[str]
    joints: list[str]
    new_joints: dict[str, str | None]
    new_channels: list[str]
    new: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and strings."""
        return asdict(self)

    def in_words(self) -> str:
        """A one-line summary."""
        parts = [f"classes kept: {_listed(self.classes)}, new: {_listed(self.new_classes)}"]
        if self.new_joints:
            like = [joint if near is None else f"{joint} (like {near})" for joint, near in self.new_joints.items()]
            parts.append(f"joints kept: {_listed(self.joints)}, new: {_listed(like)}")
        else:
            parts.append(f"all {len(self.joints)} joints kept")
        if self.new_channels:
            parts.append(f"new channels: {_listed(self.new_channels)}")
        body = [name for name in self.new if not re.match(r"(members\.\d+\.)?classifier\.", name)]
        parts.append(f"new weights: {_listed(body)}" if body else "all other weights kept")
        return f"starting from {self.source}; {'; '.join(parts)}"


def carry_over(network: nn.Module, stream: Stream, origin: Origin) -> CarriedOver:
    """Copy all weights that fit into ``network``; the others keep their initial values.

    Classifier rows are matched by class name. Parameters with a joint axis (see ``MMN.joint_axes``) are matched by
    joint name, and a new joint is copied from its nearest known neighbour along the bones. In graphs that scale joints
    without mixing them (see ``MMN.scaling_graphs``), every joint gets the scale of the joint it is copied from. The
    first layer's columns (see ``MMN.channel_axes``) are matched by channel name. All other parameters are matched by
    name and shape.

    Args:
        network: changed in place.
        stream: its layout and classes.
        origin: the network to copy from.

    Raises:
        UserError: the origin has a different number of unnamed joints, or nothing fits.
    """
    layout = stream.layout
    joints = [layout.joints[joint] for joint in layout.order]
    known = _known_joints(origin, joints)
    near = {joint: _nearest(joint, layout, known) for joint in joints}
    sources = [None if near[joint] is None else known.index(near[joint]) for joint in joints]  # type: ignore[arg-type]
    new = [joint not in known for joint in joints]
    rows = _class_rows(origin, stream.classes.names)

    ours, theirs = network.state_dict(), origin.network.state_dict()
    axes: dict[str, tuple[int, ...]] = getattr(network, "joint_axes", dict)()
    inputs: dict[str, tuple[int, ...]] = {} if origin.channels is None else getattr(network, "channel_axes", dict)()
    channels = stream.modality.channel_names(stream.coordinates, layout) if inputs else []
    columns = _indices(channels, origin.channels or [])
    if all(column is None for column in columns):  # another modality: by shape
        inputs = {}
    scaling: list[str] = getattr(network, "scaling_graphs", list)()
    last = tuple(f"{name}." for name in classifiers(network))
    carried = {}
    for name, own in ours.items():
        by = (axes | inputs).get(name, (0,) if name.startswith(last) else ())
        if name not in theirs or _without(own, by) != _without(theirs[name], by):
            continue
        places = sources if name in axes else columns if name in inputs else rows
        if not by:
            carried[name] = theirs[name]
        elif any(place is not None for place in places):
            carried[name] = _place(own, theirs[name], by, places)
            if name in scaling:
                _keep_column_sums(carried[name], theirs[name], sources)
            elif len(by) == 2:
                _set_apart(carried[name], by, new, sources)
    left = [name for name, _ in network.named_parameters() if name not in carried]
    if len(left) == len(list(network.parameters())):
        raise UserError(f"nothing in init_from={origin.path} fits the network to be trained; give other weights.")
    network.load_state_dict({**ours, **carried})
    kept = [name for name, row in zip(stream.classes.names, rows, strict=True) if row is not None]
    has_rows = any(name.startswith(last) for name in carried)
    has_channels = bool(inputs.keys() & carried.keys())
    return CarriedOver(
        source=origin.path,
        classes=kept if has_rows else [],
        new_classes=[name for name in stream.classes.names if not has_rows or name not in kept],
        joints=[joint for joint in joints if joint in known],
        new_joints={joint: near[joint] for joint in joints if joint not in known},
        new_channels=[name for name in channels if name not in (origin.channels or ())] if has_channels else [],
        new=left,
    )


def _known_joints(origin: Origin, joints: list[str]) -> list[str]:
    """The origin's joints in network order; if unnamed, assumed to be ours, given the same number."""
    if origin.joints is not None:
        return origin.joints
    axes: dict[str, tuple[int, ...]] = getattr(origin.network, "joint_axes", dict)()
    state = origin.network.state_dict()
    count = next((state[name].shape[places[0]] for name, places in axes.items()), len(joints))
    if count != len(joints):
        raise UserError(
            f"init_from={origin.path} has {count} unnamed joints, but the clips have {len(joints)}; name their layout, "
            "such as init_layout=ma52."
        )
    return joints


def _class_rows(origin: Origin, classes: list[str]) -> list[int | None]:
    """Each class's row in the origin's classifier; unnamed rows are assumed to be ours, given the same number."""
    if origin.classes is not None:
        return _indices(classes, origin.classes)
    sizes = {layer.out_features for layer in classifiers(origin.network).values() if isinstance(layer, nn.Linear)}
    alike = sizes == {len(classes)}
    return [row if alike else None for row in range(len(classes))]


def _indices(names: Sequence[str], known: list[str]) -> list[int | None]:
    """The index of each name in ``known``; None for an unknown one."""
    return [known.index(name) if name in known else None for name in names]


def _nearest(joint: str, layout: Layout, known: Sequence[str]) -> str | None:
    """The joint itself if known, else the first known one along the bones."""
    along = (layout.joints[other] for other in layout.walk(layout.joints.index(joint)))
    return next((other for other in along if other in known), None)


def _without(tensor: Tensor, axes: tuple[int, ...]) -> list[int | None]:
    """The tensor's shape, ignoring ``axes``."""
    return [None if axis in axes else size for axis, size in enumerate(tensor.shape)]


def _place(own: Tensor, other: Tensor, axes: tuple[int, ...], sources: Sequence[int | None]) -> Tensor:
    """``own``, with entries of ``other`` at the indices along ``axes`` that have a source."""
    here = torch.tensor([place for place, source in enumerate(sources) if source is not None], device=own.device)
    there = torch.tensor([source for source in sources if source is not None], device=own.device)
    picked = other.to(own)
    for axis in axes:
        picked = picked.index_select(axis, there)
    *outer, last = axes
    for axis in outer:  # one at most
        picked = own.index_select(axis, here).index_copy(last, here, picked)
        last = axis
    return own.index_copy(last, here, picked)


def _keep_column_sums(graph: Tensor, other: Tensor, sources: Sequence[int | None]) -> None:
    """Adjust the diagonal of ``graph`` so that each column's sum is that of its source in ``other``.

    Otherwise, the rows of joints that were dropped or added would change the sums of all others.
    """
    was, sums = other.sum(dim=0), graph.sum(dim=0)
    for joint, source in enumerate(sources):
        if source is not None:
            graph[joint, joint] += was[source].to(graph) - sums[joint]


def _set_apart(graph: Tensor, axes: tuple[int, ...], new: list[bool], sources: Sequence[int | None]) -> None:
    """Give each new joint its neighbour's inputs, with itself replacing the neighbour, and let no other joint use it.

    Copying the neighbour's column as well would count the neighbour twice.
    """
    square = graph.movedim(axes, (-2, -1))  # (…, out, in)
    for joint in (place for place, is_new in enumerate(new) if is_new):
        own = square[..., joint, joint].clone()
        square[..., :, joint] = 0
        for other, source in enumerate(sources):
            if source is not None and source == sources[joint]:
                square[..., joint, other] = 0
        square[..., joint, joint] = own


def _listed(names: Sequence[str], most: int = 6) -> str:
    """``3 (a, b, c)``, shortened."""
    if not names:
        return "none"
    return f"{len(names)} ({', '.join(names[:most])}{', …' if len(names) > most else ''})"
