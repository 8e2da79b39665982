"""Safe display of untrusted text."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_INSTRUCTIONS = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff"  # control characters, which terminals interpret, and lone surrogates
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # line separators and bidirectional controls
    "\u200b\ufeff\U000e0000-\U000e007f]"  # invisible characters
)


def is_plain(text: str) -> bool:
    """Whether a text is free of terminal control characters."""
    return _INSTRUCTIONS.search(text) is None


def plain(text: str) -> str:
    """Text on one line, without terminal control characters."""
    return _INSTRUCTIONS.sub("", re.sub("[\n\r\t]+", " ", text))


def console(**options: Any) -> "Console":
    """A console that prints text verbatim: no markup from square brackets, no emoji from colons."""
    from rich.console import Console

    return Console(**{"highlight": False, "markup": False, "emoji": False, **options})


def cell(text: str) -> str:
    """Text for a CSV cell, quoted if a spreadsheet would evaluate it as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def uncell(text: str) -> str:
    """The text of a cell that ``cell`` made."""
    return text[1:] if text.startswith("'") and cell(text[1:]) == text else text


def counted(number: int, noun: str) -> str:
    """A number of things in words: ``1 clip``, ``2 clips``, ``2 classes``."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"
