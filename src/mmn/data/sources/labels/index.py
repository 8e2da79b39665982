"""Conversion of labels as written to class indices."""

import re
from collections.abc import Sequence

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN
from mmn.errors import UserError

INDEX = re.compile(r"\d+(\.0*)?")
"""A class index as written in tables; pandas may have turned 0 into 0.0."""


def class_indices(
    labels: Sequence[int | str], where: Sequence[str], classes: Classes, count_from: int | None
) -> list[int]:
    """The class index of each label.

    Args:
        labels: class indices or class names; empty or −1 for unknown.
        where: the location of each, for error messages.
        classes: the classes.
        count_from: label of the first class, 0 or 1; None for 0, refusing labels that look one-based.

    Raises:
        UserError: a label is invalid, or labels look one-based.
    """
    first = count_from or 0
    caseless = _caseless(classes)
    texts = [str(label).strip() for label in labels]
    found, wrong, numeric = [], [], []
    for number, label in enumerate(labels):
        index = index_of(label, classes, first, caseless)
        found.append(UNKNOWN if index is None else index)
        if index is None:
            wrong.append(number)
        elif index != UNKNOWN and INDEX.fullmatch(texts[number]):
            numeric.append(number)
    named = next((n for n in numeric if texts[n] in classes.names), None)
    counted = next((n for n in numeric if texts[n] not in classes.names), None)
    if named is not None and counted is not None:
        raise UserError(
            f"{where[named]} has label {texts[named]}, the name of a class, but {where[counted]} has {texts[counted]}, "
            "which is none; label all clips by name or, with names that are not numbers, by index."
        )
    if wrong:
        several = f" ({len(wrong)} such labels)" if len(wrong) > 1 else ""
        raise UserError(
            f"{where[wrong[0]]} has label {labels[wrong[0]]!r}, which is neither a class name nor an index below "
            f"{len(classes.names)}{several}; correct it, give your own names with --classes, or --labels-from 1 "
            "if labels start at 1."
            if first == 0
            else f"{where[wrong[0]]} has label {labels[wrong[0]]!r}, which is neither a class name nor an index from "
            f"{first} to {len(classes.names) - 1 + first}{several}; correct it or give your own names with --classes."
        )
    by_number = {found[number] for number in numeric}
    if count_from is None and len(by_number) > 1 and min(by_number) > 0 and max(by_number) == len(classes.names) - 1:
        raise UserError(
            f"no clip has label 0 ({classes.names[0]}) and some have the highest, {len(classes.names) - 1} "
            f"({classes.names[-1]}), so labels may start at 1; give --labels-from 1, or --labels-from 0 if they do not."
        )
    return found


def _caseless(classes: Classes) -> dict[str, int]:
    return {name.casefold(): index for index, name in enumerate(classes.names)}


def index_of(label: int | str, classes: Classes, first: int, caseless: dict[str, int] | None = None) -> int | None:
    """The class index of a label, −1 for none; None if the label is no class. See ``class_indices``."""
    text = str(label).strip()
    if not text or text in (str(UNKNOWN), f"{UNKNOWN}.0"):
        return UNKNOWN
    if text in classes.names:
        return classes.names.index(text)
    if INDEX.fullmatch(text) and 0 <= int(float(text)) - first < len(classes.names):
        return int(float(text)) - first
    return (_caseless(classes) if caseless is None else caseless).get(text.casefold())
