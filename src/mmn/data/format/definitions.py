"""The groups ``layout/`` and ``classes/`` of the HDF5 file."""

from pathlib import Path

import h5py
import numpy as np

from mmn.data.format.classes import Classes
from mmn.data.format.datasets import array_of, strings_of, write_strings
from mmn.data.format.layout import Layout
from mmn.errors import UserError


def write_layout(group: h5py.Group, layout: Layout) -> None:
    part_of_joint = np.zeros(layout.num_joints, np.int64)
    for part, joints in enumerate(layout.parts.values()):
        part_of_joint[joints] = part
    write_strings(group, "joint_names", layout.joints)
    write_strings(group, "part_names", list(layout.parts))
    group["bones"] = np.array(layout.bones, np.int64).reshape(-1, 2)
    group["order"] = np.array(layout.order, np.int64)
    group["part_of_joint"] = part_of_joint
    group["flip_pairs"] = np.array(layout.flip_pairs, np.int64).reshape(-1, 2)
    group.attrs["centre"] = layout.centre


def write_classes(group: h5py.Group, classes: Classes) -> None:
    write_strings(group, "names", classes.names)
    if classes.group_names:
        group["group_of_class"] = np.array(classes.group_of_class, np.int64)
        write_strings(group, "group_names", classes.group_names)
    if classes.flips:
        group["flips"] = np.array(classes.flips, np.int64)
    if classes.ordinal:
        group.attrs["ordinal"] = True


def read_layout(group: h5py.Group, path: Path) -> Layout:
    joints, part_names = strings_of(group, "joint_names", path), strings_of(group, "part_names", path)
    v = len(joints)
    order = array_of(group, "order", path, "i", (v,))
    part_of_joint = array_of(group, "part_of_joint", path, "i", (v,))
    bones = array_of(group, "bones", path, "i", (None, 2))
    flips = array_of(group, "flip_pairs", path, "i", (None, 2))
    if sorted(order.tolist()) != list(range(v)) or not set(part_of_joint.tolist()) <= set(range(len(part_names))):
        raise UserError(
            f"{path}: layout/order or layout/part_of_joint does not fit its {v} joints; convert the data set again."
        )
    parts: dict[str, list[int]] = {name: [] for name in part_names}
    for joint in order.tolist():
        parts[part_names[part_of_joint[joint]]].append(joint)
    layout = Layout.from_dict(
        {
            "joints": joints,
            "bones": bones.tolist(),
            "parts": parts,
            "centre": int(group.attrs.get("centre", -1)),
            "flip_pairs": flips.tolist(),
        },
        f"in {path}",
    )
    if layout.order != order.tolist():
        raise UserError(f"{path}: layout/order does not keep the body parts together; convert the data set again.")
    return layout


def read_classes(group: h5py.Group, path: Path) -> Classes:
    names = strings_of(group, "names", path)
    flips = array_of(group, "flips", path, "i", (len(names),)).tolist() if "flips" in group else []
    ordinal = bool(group.attrs.get("ordinal", False))
    if not all(-1 <= flip < len(names) for flip in flips):
        raise UserError(f"{path}: classes/flips has classes beyond its {len(names)}; convert the data set again.")
    if "group_names" not in group and "group_of_class" not in group:
        return Classes(names, [], [], flips, ordinal)
    groups = array_of(group, "group_of_class", path, "i", (len(names),))
    return Classes(names, groups.tolist(), strings_of(group, "group_names", path), flips, ordinal)
