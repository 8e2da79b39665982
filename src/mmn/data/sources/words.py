"""Lists of names in messages."""

from collections.abc import Sequence

_SHOWN = 10


def some(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
