"""Changes of classes: selection, merging, a rest class, or body groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.selection import take
from mmn.data.view.names import not_there
from mmn.errors import UserError

LEFT_OUT = -2


@dataclass(frozen=True)
class Relabelling:
    """New classes, and the mapping of old ones to them.

    Attributes:
        classes: the new ones.
        place: ``(K,)`` the new index of each old class, ``LEFT_OUT`` if it has none.
    """

    classes: Classes
    place: NDArray[np.int64]

    @classmethod
    def nothing(cls, classes: Classes) -> "Relabelling":
        """The identity mapping."""
        return cls(classes, np.arange(len(classes.names)))

    def then(self, other: "Relabelling") -> "Relabelling":
        """This mapping followed by ``other``."""
        place = np.where(self.place == LEFT_OUT, LEFT_OUT, other.place[np.maximum(self.place, 0)])
        return Relabelling(other.classes, place)

    def apply(self, clips: Clips, keep_others: bool = False) -> Clips:
        """The clips of the new classes and of unknown class; with ``keep_others``, those left out become unknown."""
        labels = np.where(clips.labels == UNKNOWN, UNKNOWN, self.place[np.maximum(clips.labels, 0)])
        if keep_others:
            labels = np.where(labels == LEFT_OUT, UNKNOWN, labels)
        kept = np.flatnonzero(labels != LEFT_OUT)
        chosen = clips if len(kept) == len(clips) else take(clips, kept)
        return replace(chosen, labels=labels[kept])


def to_groups(classes: Classes, where: str) -> Relabelling:
    """Body groups as the classes.

    Raises:
        UserError: if the classes have no groups.
    """
    if not classes.group_names:
        raise UserError(f"data.target=group needs body groups, but {where} has none; define some with data.merge.")
    used = sorted(set(classes.group_of_class))
    place = np.searchsorted(used, classes.group_of_class)
    return _relabelling(classes, Classes([classes.group_names[group] for group in used], [], []), place)


def merged(classes: Classes, merge: Mapping[str, Sequence[str | int]], where: str) -> Relabelling:
    """Merge classes into one at the position of the first, in their group if they share one.

    Raises:
        UserError: unknown or repeated members, or a new name that another class has.
    """
    parents: dict[int, str] = {}
    for name, members in merge.items():
        indices = {index for member in members for index in resolve_class(classes, member, "data.merge", where)}
        if twice := indices & parents.keys():
            raise UserError(
                f"data.merge has {classes.names[min(twice)]} in both {parents[min(twice)]} and {name}; choose one."
            )
        if name in classes.names and classes.names.index(name) not in indices:
            raise UserError(f"data.merge makes a class {name}, which {where} already has; use another name.")
        if not indices:
            raise UserError(f"data.merge has no classes to merge as {name}; list some.")
        parents |= dict.fromkeys(indices, name)
    names = [parents.get(index, name) for index, name in enumerate(classes.names)]
    unique = list(dict.fromkeys(names))
    place = np.array([unique.index(name) for name in names])
    groups = [{classes.group_of_class[i] for i in np.flatnonzero(place == k)} for k in range(len(unique))] if (
        classes.group_names
    ) else []  # fmt: skip
    group_names = list(classes.group_names)
    of_class = []
    for name, among in zip(unique, groups, strict=bool(groups)):
        of_class.append(next(iter(among)) if len(among) == 1 else _own_group(group_names, name))
    return _relabelling(classes, Classes(unique, of_class, group_names, ordinal=classes.ordinal), place)


def kept(classes: Classes, indices: Sequence[int], rest: str | None, where: str) -> Relabelling:
    """Keep the classes ``indices``, in increasing order; drop the others or merge them into a class ``rest``.

    Raises:
        UserError: a name for the rest that is taken, or no remaining classes.
    """
    if not indices:
        raise UserError(f"data.classes and data.min_clips leave no class of {where}; relax them.")
    order = list(indices)
    names = [classes.names[i] for i in order]
    groups = [classes.group_of_class[i] for i in order] if classes.group_names else []
    group_names = list(classes.group_names)
    place = np.full(len(classes.names), LEFT_OUT)
    place[order] = np.arange(len(order))
    if rest is not None:
        if rest in names:
            raise UserError(f"data.rest={rest} is the name of a class that is kept; use another name.")
        if len(names) == len(classes.names):
            raise UserError(f"data.rest={rest} is empty, as all classes of {where} are kept; leave it out.")
        place[place == LEFT_OUT] = len(names)
        names.append(rest)
        if groups:
            groups.append(_own_group(group_names, rest))
    ordinal = classes.ordinal and rest is None
    return _relabelling(classes, Classes(names, groups, group_names, ordinal=ordinal), place)


def resolve_class(classes: Classes, name: str | int, key: str, where: str) -> list[int]:
    """The classes given by a class name, an index or a body group.

    Raises:
        UserError: if there is none.
    """
    if not isinstance(name, bool) and str(name) in classes.names:  # also of classes named by numbers
        return [classes.names.index(str(name))]
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(classes.names):
        return [name]
    if name in classes.group_names:
        group = classes.group_names.index(str(name))
        return [index for index, of in enumerate(classes.group_of_class) if of == group]
    raise not_there(key, name, "class or body group", [*classes.names, *classes.group_names], where)


def _own_group(group_names: list[str], name: str) -> int:
    """A new group for one class, with the class's name."""
    if name not in group_names:
        group_names.append(name)
    return group_names.index(name)


def _relabelling(old: Classes, new: Classes, place: NDArray[np.int64]) -> Relabelling:
    """``new`` without empty groups, and with the mirror images of its classes.

    A class's mirror image is the one that all its members share; none if it is ambiguous or left out.
    """
    used = sorted(set(new.group_of_class))
    groups = [used.index(group) for group in new.group_of_class]
    alone = replace(new, group_of_class=groups, group_names=[new.group_names[group] for group in used])
    to = np.array([-1 if flip < 0 else place[flip] for flip in old.mirrored])
    targets = [set(to[place == index].tolist()) for index in range(len(new.names))]
    flips = [max(targets_of.pop(), -1) if len(targets_of) == 1 else -1 for targets_of in targets]
    return Relabelling(alone if flips == alone.mirrored else replace(alone, flips=flips), place)
