"""The error for a name that does not exist."""

import difflib
from collections.abc import Sequence

from mmn.errors import UserError


def not_there(key: str, name: object, what: str, have: Sequence[str], where: str) -> UserError:
    """The error to raise if ``name``, given by ``key``, is not one of ``have``."""
    near = difflib.get_close_matches(str(name), have, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"it has {some(have)}."
    return UserError(f"{key} names {name!r}, which is not a {what} of {where}; {hint}")


def some(names: Sequence[str], most: int = 8) -> str:
    """The first of the names, and the total if there are more."""
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")
