"""Checks of the names of clips, joints and classes."""

from collections.abc import Iterable, Sequence

from mmn.data.format.classes import Classes
from mmn.errors import UserError
from mmn.text import is_plain

_LONGEST = 4_000


def check_names(names: Sequence[str], what: str, where: str) -> None:
    """Refuse names with control characters, and overlong ones.

    Args:
        names: any number of names.
        what: what they name, such as ``"clip"``.
        where: location named in the error.

    Raises:
        UserError: a name is invalid; the message gives the first.
    """
    if is_plain("".join(names)) and max(map(len, names), default=0) <= _LONGEST:
        return
    for index, name in enumerate(names):
        if not is_plain(name):
            raise UserError(f"{where}: the name of {what} {index} has control characters, {name[:80]!r}; rename it.")
        if len(name) > _LONGEST:
            raise UserError(f"{where}: the name of {what} {index} has {len(name):,} characters; give a shorter one.")


def check_classes(classes: Classes, where: str) -> None:
    """Refuse classes without unique names, with unknown groups, or with unknown mirror images.

    Raises:
        UserError: the classes are invalid; the message names ``where``.
    """
    names, groups = classes.names, classes.group_of_class
    if not names or len(set(names)) != len(names):
        raise UserError(f"{where} has no class names or a duplicate one; give each class a unique name.")
    if groups and (len(groups) != len(names) or not _below(groups, len(classes.group_names))):
        raise UserError(
            f"{where} has {len(names)} classes in groups {sorted(set(groups))[:20]} of {len(classes.group_names)}; "
            "give every class one of the groups."
        )
    if classes.flips and (len(classes.flips) != len(names) or not _below(classes.flips, len(names), -1)):
        raise UserError(f"{where} has mirror images of unknown classes; write it again.")
    check_names(names, "class", where)
    check_names(classes.group_names, "group", where)


def _below(indices: Iterable[int], count: int, least: int = 0) -> bool:
    return all(least <= index < count for index in indices)
