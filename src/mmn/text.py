"""Text from outside, made harmless for where it is shown."""

import re

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


def markup(text: str) -> str:
    """Text for rich's console, square brackets shown as they are."""
    from rich.markup import escape

    return escape(plain(text))


def cell(text: str) -> str:
    """Text for a CSV cell: what a spreadsheet would compute is shown in its place."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
