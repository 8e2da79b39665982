"""Text from outside, made harmless for where it is shown."""

import unicodedata

_REORDERING = "\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def plain(text: str) -> str:
    """Text on one line without control characters, which terminals obey, and without marks that reorder letters."""
    return "".join(" " if c in "\n\r\t" else c for c in text if c in "\n\r\t" or not is_control(c))


def is_control(character: str) -> bool:
    """Whether a character is an instruction rather than a sign."""
    return unicodedata.category(character) in ("Cc", "Cs") or character in _REORDERING


def markup(text: str) -> str:
    """Text for rich's console, square brackets shown as they are."""
    from rich.markup import escape

    return escape(plain(text))


def cell(text: str) -> str:
    """Text for a CSV cell: what a spreadsheet would compute is shown in its place."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
