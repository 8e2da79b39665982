"""Skeleton layouts: joints, bones, and the network's order of joints."""

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.outside import parse_yaml, read_yaml

NAMED = ("ma52", "imigue", "jhmdb")
"""Layouts of published data sets, with their class names."""
BUILT_IN = (*NAMED, "coco17", "halpe26", "body25", "openpose18", "blazepose33", "ntu25", "kinect20")
"""The built-in layouts, files in ``mmn/data/format/layouts``; those not in ``NAMED`` belong to pose estimators."""


@dataclass(frozen=True)
class Layout:
    """A skeleton definition; joints are named by the *subject's* left and right.

    Attributes:
        joints: V joint names; a joint's index is its position in this list.
        bones: ``(start, end)`` pairs; a bone's vector is start − end, stored at its start.
        parts: body parts with their joints, in network order.
        centre: the joint moved to the origin.
        flip_pairs: ``(left, right)`` joints that swap when a clip is mirrored.
    """

    joints: list[str]
    bones: list[tuple[int, int]]
    parts: dict[str, list[int]]
    centre: int
    flip_pairs: list[tuple[int, int]]

    @property
    def num_joints(self) -> int:
        return len(self.joints)

    @property
    def order(self) -> list[int]:
        """Joint indices in network order."""
        return [joint for part in self.parts.values() for joint in part]

    def bone_end(self, rule: str) -> NDArray[np.int64]:
        """The end of each joint's bone ``(V,)``, the joint itself if it has none.

        ``official``: of two pairs with the same start the later one wins, and joints that start none (most finger
        tips) have no bone. ``tree``: every joint's bone ends in the next joint on the way to the centre, so that all
        but the centre have one.

        Raises:
            UserError: with ``tree``, bones do not connect every joint to the centre.
        """
        end = np.arange(self.num_joints, dtype=np.int64)
        if rule == "official":
            for start, stop in self.bones:
                end[start] = stop
            return end
        reached = self.walk(self.centre)
        for joint, origin in reached.items():
            end[joint] = origin
        if len(reached) < self.num_joints:
            lost = next(name for joint, name in enumerate(self.joints) if joint not in reached)
            raise UserError(
                f"no bones lead from {lost} to the centre {self.joints[self.centre]}, which bone_rule=tree needs; "
                "add bones to the layout or use bone_rule=official."
            )
        return end

    def walk(self, start: int) -> dict[int, int]:
        """All joints connected to ``start``, nearest first, each with its predecessor."""
        neighbours: dict[int, list[int]] = {joint: [] for joint in range(self.num_joints)}
        for a, b in self.bones:
            neighbours[a].append(b)
            neighbours[b].append(a)
        reached, queue = {start: start}, [start]
        for joint in queue:  # grows during iteration
            for other in neighbours[joint]:
                if other not in reached:
                    reached[other] = joint
                    queue.append(other)
        return reached

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, for checkpoints."""
        plain = asdict(self)
        return {**plain, "bones": [list(b) for b in self.bones], "flip_pairs": [list(p) for p in self.flip_pairs]}

    @classmethod
    def from_dict(cls, plain: dict[str, Any], where: str) -> "Layout":
        """The inverse of ``as_dict``, checked.

        Joints may be given by name or by index.

        Raises:
            UserError: the layout is inconsistent; the message names the key, the joint and ``where``.
        """
        unknown = sorted(set(plain) - {"joints", "bones", "parts", "centre", "flip_pairs"})
        missing = sorted({"joints", "bones", "parts", "centre"} - set(plain))
        if unknown or missing:
            raise UserError(
                f"the layout {where} has unknown keys {unknown} and lacks {missing}; use joints, bones, parts, "
                "centre and, if any, flip_pairs."
            )
        names, parts = plain["joints"], plain["parts"]
        lists = [
            names,
            plain["bones"],
            plain.get("flip_pairs") or [],
            *(parts.values() if isinstance(parts, dict) else [0]),
        ]
        if not all(isinstance(value, list | tuple) for value in lists):
            raise UserError(
                f"the layout {where} needs joints, bones and flip_pairs as lists, and parts as a table part: [joints]."
            )
        joints = [str(name) for name in names]
        if len(set(joints)) != len(joints) or not joints:
            raise UserError(f"the layout {where} has no joints or names one twice; give each a unique name.")
        index = _Joints(joints, where)
        layout = cls(
            joints=joints,
            bones=index.pairs(plain, "bones"),
            parts={str(part): [index(value, f"parts.{part}") for value in values] for part, values in parts.items()},
            centre=index(plain["centre"], "centre"),
            flip_pairs=index.pairs(plain, "flip_pairs"),
        )
        in_parts = np.bincount(np.array(layout.order, np.int64), minlength=len(joints))
        in_pairs = np.bincount(np.array(layout.flip_pairs, np.int64).ravel(), minlength=len(joints))
        for wrong, what in (
            (in_parts != 1, "no part or in several; each belongs to exactly one"),
            (in_pairs > 1, "several flip_pairs; it swaps with one"),
        ):
            if wrong.any():
                raise UserError(f"the layout {where} has joint {joints[int(wrong.argmax())]} in {what}.")
        return layout


class _Joints:
    """Resolves joints given by name or index in a layout file."""

    def __init__(self, names: list[str], where: str) -> None:
        self.index, self.where = {name: i for i, name in enumerate(names)}, where

    def __call__(self, value: Any, key: str) -> int:
        number = self.index.get(value, -1) if isinstance(value, str) else value
        if not isinstance(number, int) or not 0 <= number < len(self.index):
            raise UserError(
                f"the layout {self.where} names joint {value!r} in {key}, not one of its {len(self.index)} joints."
            )
        return number

    def pairs(self, plain: dict[str, Any], key: str) -> list[tuple[int, int]]:
        found = []
        for pair in plain.get(key) or []:
            if not isinstance(pair, list | tuple) or len(pair) != 2 or pair[0] == pair[1]:
                raise UserError(f"the layout {self.where} has {pair!r} in {key}; give pairs of two joints.")
            found.append((self(pair[0], key), self(pair[1], key)))
        return found


def load_layout(layout: str | Path) -> Layout:
    """A named layout (``ma52``, ``imigue``, ``jhmdb``) or one from a YAML file.

    Raises:
        UserError: an unknown name, an unreadable file, or an inconsistent layout.
    """
    content = read_layout_file(layout)
    for key in ("classes", "flip_classes", "ordinal"):
        content.pop(key, None)
    return Layout.from_dict(content, str(layout))


def read_layout_file(layout: str | Path) -> dict[str, Any]:
    """The content of a layout's YAML file, unchecked.

    Raises:
        UserError: an unknown name, or an unreadable file.
    """
    if str(layout) in BUILT_IN:
        content = parse_yaml(resources.files("mmn.data.format").joinpath(f"layouts/{layout}.yaml").read_text("utf-8"))
    elif Path(layout).exists():
        content = read_yaml(Path(layout), "layout in YAML")
    else:
        raise UserError(f"there is no layout {layout}; use {', '.join(BUILT_IN)} or the path of a YAML file.")
    if not isinstance(content, dict):
        raise UserError(f"the layout {layout} is not a table; give it the keys joints, bones, parts and centre.")
    return content
