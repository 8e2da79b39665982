"""Classes of a data set: names, groups, and the class of a mirrored clip."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmn.data.format.layout import read_layout_file
from mmn.errors import UserError


@dataclass(frozen=True)
class Classes:
    """The classes of a data set.

    Attributes:
        names: K class names.
        group_of_class: the group of each class; empty without groups.
        group_names: G group names.
        flips: for each class, the class of its mirrored clips, −1 for none; empty to derive them from names.
        ordinal: whether classes are grades in increasing order.
    """

    names: list[str]
    group_of_class: list[int]
    group_names: list[str]
    flips: list[int] = field(default_factory=list)
    ordinal: bool = False

    @property
    def mirrored(self) -> list[int]:
        """For each class, the class of its mirrored clips, −1 for none.

        Unless ``flips`` defines it, a class that names a side maps to the one that names the other side (−1 if there
        is none), and all others to themselves.
        """
        if self.flips:
            return self.flips
        place = {name.lower(): index for index, name in enumerate(self.names)}
        return [place.get(_other_side(name.lower()), -1) for name in self.names]


def _other_side(name: str) -> str:
    """A name with the words left and right swapped."""
    return re.sub(r"(?<![^\W_])(left|right)(?![^\W_])", lambda found: "right" if found[0] == "left" else "left", name)


def load_classes(layout: str | Path) -> Classes | None:
    """The class names and groups of a layout; None if it has none.

    The file lists classes under the names of their groups, without indices that could be wrong.
    """
    content = read_layout_file(layout)
    classes = content.get("classes")
    if not classes:
        return None
    if isinstance(classes, dict):  # group → its classes, in index order
        names = [str(name) for members in classes.values() for name in members]
        groups = [group for group, members in enumerate(classes.values()) for _ in members]
        found = Classes(names, groups, [str(group) for group in classes])
    else:
        found = Classes([str(name) for name in classes], [], [])
    ordinal = content.get("ordinal", False)
    if not isinstance(ordinal, bool):
        raise UserError(f"the layout {layout} has {ordinal!r} in ordinal; use true if classes are grades, or false.")
    flips = _flips(content.get("flip_classes") or [], found, str(layout))
    return replace(found, flips=flips, ordinal=ordinal)


def _flips(pairs: Any, classes: Classes, where: str) -> list[int]:
    """``Classes.flips`` for a layout's ``flip_classes``: ``[one, other]`` swap, ``[alone]`` is never mirrored.

    Raises:
        UserError: anything else, or a name that is not a class.
    """
    place, flips = {name: index for index, name in enumerate(classes.names)}, classes.mirrored
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not isinstance(pair, list) or len(pair) not in (1, 2) or not {str(name) for name in pair} <= place.keys():
            raise UserError(
                f"the layout {where} has {pair!r} in flip_classes; give a pair of classes, or one class that "
                "is never mirrored, in a list."
            )
        one, other = place[str(pair[0])], place[str(pair[-1])]
        flips[one], flips[other] = (other, one) if len(pair) == 2 else (-1, -1)
    return flips if pairs else []
