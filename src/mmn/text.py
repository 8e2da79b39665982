"""Text from outside, made harmless for where it is shown."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_INSTRUCTIONS = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff"  # control characters, which terminals obey, and halves of characters
    "\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"  # marks that break lines or reorder letters
)


def is_plain(text: str) -> bool:
    """Whether there is nothing in a text that a terminal would obey."""
    return _INSTRUCTIONS.search(text) is None


def plain(text: str) -> str:
    """Text on one line, without what a terminal would obey."""
    return _INSTRUCTIONS.sub("", re.sub("[\n\r\t]+", " ", text))


def console(**options: Any) -> "Console":
    """A console that shows what it is given: square brackets in names are no markup, colons no pictures."""
    from rich.console import Console

    return Console(**{"highlight": False, "markup": False, "emoji": False, **options})


def cell(text: str) -> str:
    """Text for a CSV cell: what a spreadsheet would compute is shown in its place."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
