"""Checks of views that do not depend on the data set."""

import math
from typing import TYPE_CHECKING, Any

from mmn.data.format.skeletons import SPLITS
from mmn.errors import UserError

if TYPE_CHECKING:
    from mmn.data.view.view import View

TARGETS = ("action", "group")


def check_view(view: "View") -> None:
    """Refuse views that are invalid for any data set.

    Raises:
        UserError: a value is invalid; the message gives its key and valid values.
    """
    _check_lists(view)
    _check_names(view)
    _check_numbers(view)
    if view.rest is not None and view.classes is None and view.min_clips is None:
        raise UserError(
            f"data.rest={view.rest} would be empty; select the classes to keep with data.classes or data.min_clips."
        )
    if view.rest_ratio is not None and view.rest is None:
        raise UserError(
            f"data.rest_ratio={view.rest_ratio} limits data.rest, which is not set; set data.rest to a name."
        )
    if (view.folds is None) != (view.fold is None):
        given, other = ("fold", "folds") if view.folds is None else ("folds", "fold")
        raise UserError(f"data.{given} needs data.{other}; data.folds=5 data.fold=0, for example, is the first of 5.")


def _check_lists(view: "View") -> None:
    for key in ("joints", "classes", "train_splits"):
        value = getattr(view, key)
        if (value is not None or key == "train_splits") and (not isinstance(value, list) or not value):
            raise UserError(f"data.{key} is {value!r}; give a list of names, such as data.{key}=[…].")
    for joint in view.joints or ():
        if not isinstance(joint, str):
            raise UserError(f"data.joints has {joint!r}, which is not a name; give parts, joints or patterns.")
    if view.merge is not None and not (
        isinstance(view.merge, dict) and all(isinstance(members, list) for members in view.merge.values())
    ):
        raise UserError(f"data.merge is {view.merge!r}; give a table of new class: [classes], such as {{a: [b, c]}}.")


def _check_names(view: "View") -> None:
    if view.target not in TARGETS:
        raise UserError(f"data.target is {view.target}; use {' or '.join(TARGETS)}.")
    splits = view.train_splits
    if len(set(splits)) != len(splits) or not set(splits) <= set(SPLITS):
        raise UserError(f"data.train_splits is {splits}; use one or more of {', '.join(SPLITS)}.")
    for key, names in (("rest", [view.rest]), ("merge", list(view.merge or ()))):
        for name in names:
            if name is not None and not (isinstance(name, str) and name.strip() and name.isprintable()):
                raise UserError(f"data.{key} names a class {name!r}; use a non-empty name on one line.")


def _check_numbers(view: "View") -> None:
    for key, most in (("train_fraction", 1), ("long_tail", 1), ("rest_ratio", None)):
        value = getattr(view, key)
        if value is not None and not (_is_number(value) and 0 < value <= (most or value)):
            raise UserError(f"data.{key} is {value}; use a number above 0" + (f" and at most {most}." if most else "."))
    for key, least in (("clips_per_class", 1), ("min_clips", 1), ("draw_seed", 0), ("fold_seed", 0)):
        value = getattr(view, key)
        optional = value is None and least == 1
        if not optional and not (isinstance(value, int) and not isinstance(value, bool) and value >= least):
            raise UserError(f"data.{key} is {value}; use a whole number of at least {least}.")
    if view.long_tail is not None and view.clips_per_class is None:
        raise UserError("data.long_tail needs data.clips_per_class, the clips of the first class.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
