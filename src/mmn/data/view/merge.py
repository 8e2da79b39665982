"""Merging of data sets; joints and classes are matched by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.layout import Layout
from mmn.data.format.selection import join, keep_joints
from mmn.data.format.skeletons import SPLITS, SkeletonData
from mmn.data.view.classes import LEFT_OUT, Relabelling
from mmn.data.view.joints import reduce_layout
from mmn.data.view.names import some
from mmn.errors import UserError


@dataclass(frozen=True)
class Merged:
    """The merged set, and notes on what was left out."""

    data: SkeletonData
    notes: list[str]


def merge(
    sets: Mapping[str, SkeletonData],
    name: str,
    classes: Literal["union", "common"] = "union",
    renamed: Mapping[tuple[str, str], str] | None = None,
) -> Merged:
    """Merge data sets split by split; the first determines the skeleton and the order of joints and classes.

    Only joints common to all sets are kept. Clips and groups are named ``set/name``.

    Args:
        sets: set name, used as prefix of clip names → data set; at least two.
        name: name of the merged set.
        classes: keep the union of the classes, or those common to all sets; clips of other classes are left out.
        renamed: (set, class) → new name; an empty name leaves the class out.

    Raises:
        UserError: the sets have no joint or class in common, or different numbers of coordinates.
    """
    if len(sets) < 2:
        raise UserError("merging needs at least two data sets; give another one.")
    first_name, first = next(iter(sets.items()))
    for other, data in sets.items():
        if data.coordinates != first.coordinates:
            raise UserError(
                f"{other} has {data.coordinates} coordinates per joint, {first_name} {first.coordinates}; "
                "convert both with the same --channels."
            )
    notes: list[str] = []
    layout, sets = _common_joints(sets, notes)
    target, places = _classes(sets, classes, renamed or {}, notes)
    parts = {
        set_name: {split: _prefixed(places[set_name].apply(clips), set_name) for split, clips in data.splits.items()}
        for set_name, data in sets.items()
    }
    splits = {}
    for split in SPLITS:
        present = {set_name: own[split] for set_name, own in parts.items() if split in own and len(own[split])}
        if present:
            splits[split] = join(present)
    source = "merged from " + "; ".join(f"{set_name} ({data.source})" for set_name, data in sets.items())
    return Merged(SkeletonData(name, "; ".join([source, *notes]), layout, target, splits), notes)


def _common_joints(sets: Mapping[str, SkeletonData], notes: list[str]) -> tuple[Layout, dict[str, SkeletonData]]:
    """The first set's skeleton restricted to common joints, and the sets with these joints in its order."""
    first = next(iter(sets.values()))
    common = [joint for joint in first.layout.joints if all(joint in data.layout.joints for data in sets.values())]
    if not common:
        raise UserError(f"{' and '.join(sets)} have no joint of the same name; rename them in their layouts.")
    layout = reduce_layout(first.layout, [first.layout.joints.index(joint) for joint in common])
    matched = {}
    for set_name, data in sets.items():
        lost = [joint for joint in data.layout.joints if joint not in common]
        if lost:
            notes.append(f"joints of {set_name} left out: {some(lost)}")
        joints = [data.layout.joints.index(joint) for joint in common]
        splits = data.splits
        if joints != list(range(data.layout.num_joints)):
            splits = {split: keep_joints(clips, joints) for split, clips in splits.items()}
        matched[set_name] = replace(data, layout=layout, splits=splits)
    return layout, matched


def _classes(
    sets: Mapping[str, SkeletonData], which: str, renamed: Mapping[tuple[str, str], str], notes: list[str]
) -> tuple[Classes, dict[str, Relabelling]]:
    """The merged classes, and the mapping of each set's classes to them."""
    for set_name, old in renamed:
        if set_name not in sets or old not in sets[set_name].classes.names:
            raise UserError(f"the map renames {old} of {set_name}, which is not one of its classes; correct the map.")
    called = {
        set_name: [renamed.get((set_name, old), old) for old in data.classes.names] for set_name, data in sets.items()
    }
    wanted = list(dict.fromkeys(new for names in called.values() for new in names if new))
    if which == "common":
        wanted = [new for new in wanted if all(new in names for names in called.values())]
    if not wanted:
        raise UserError(
            f"{' and '.join(sets)} have no class of the same name; rename them by --map, or take the union."
        )
    ordinal = all(data.classes.ordinal for data in sets.values())
    target = Classes(wanted, *_groups(sets, called, wanted), ordinal=ordinal)
    flips = _flips(sets, called, wanted)
    target = target if flips == target.mirrored else replace(target, flips=flips)
    places = {}
    for set_name, names in called.items():
        places[set_name] = Relabelling(target, np.array([wanted.index(n) if n in wanted else LEFT_OUT for n in names]))
        lost = [old for old, place in zip(sets[set_name].classes.names, places[set_name].place, strict=True)
                if place == LEFT_OUT]  # fmt: skip
        if lost:
            clips = sum(_lost(places[set_name].place, own) for own in sets[set_name].splits.values())
            notes.append(f"classes of {set_name} left out, with {clips} clips: {some(lost)}")
    return target, places


def _lost(place: NDArray[np.int64], clips: Clips) -> int:
    return int((place[clips.labels[clips.labelled]] == LEFT_OUT).sum())


def _groups(
    sets: Mapping[str, SkeletonData], called: Mapping[str, Sequence[str]], wanted: Sequence[str]
) -> tuple[list[int], list[str]]:
    """The body group of each class, from the first set with the class; empty unless every class has one."""
    group_of: dict[str, str] = {}
    for set_name, data in sets.items():
        own = data.classes
        for new, group in zip(called[set_name], own.group_of_class, strict=bool(own.group_of_class)):
            group_of.setdefault(new, own.group_names[group])
    if not all(new in group_of for new in wanted):
        return [], []
    names = list(dict.fromkeys(group_of[new] for new in wanted))
    return [names.index(group_of[new]) for new in wanted], names


def _flips(sets: Mapping[str, SkeletonData], called: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[int]:
    """The mirror image of each class, from the first set with the class."""
    flip_of: dict[str, int] = {}
    for set_name, data in sets.items():
        for new, flip in zip(called[set_name], data.classes.mirrored, strict=True):
            other = called[set_name][flip] if flip >= 0 else ""
            flip_of.setdefault(new, wanted.index(other) if other in wanted else -1)
    return [flip_of[new] for new in wanted]


def _prefixed(clips: Clips, set_name: str) -> Clips:
    groups = None if clips.groups is None else [f"{set_name}/{group}" for group in clips.groups]
    return replace(clips, names=[f"{set_name}/{name}" for name in clips.names], groups=groups)
