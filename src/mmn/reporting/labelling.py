"""A page of animated skeletons for labelling."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.reporting.players import players
from mmn.reporting.report import write_page


def write_labelling_page(
    output: Path,
    title: str,
    clips: Sequence[NDArray[np.float32]],
    layout: Layout,
    rows: Sequence[dict[str, Any]],
    guesses: Sequence[Sequence[tuple[str, float]]],
    classes: Sequence[str],
) -> None:
    """Write a page on which the labels of ``rows`` are chosen and saved as CSV.

    Args:
        output: the HTML file.
        title: title of the page.
        clips: the clips ``(T, V, C)`` of the first rows; only these are shown.
        layout: their skeleton.
        rows: all rows of the table, with at least ``name``, ``label`` and ``why``.
        guesses: the most likely classes of each row, with their probabilities.
        classes: the class names to propose; others can be typed.
    """
    shown = players(clips, layout)
    cards = [
        {**row, "frames": len(moving), "guesses": some}
        for row, some, moving in zip(rows, guesses, shown["clips"], strict=False)
    ]
    table = {"columns": list(rows[0]), "rows": [list(row.values()) for row in rows]}
    content = {
        "title": title,
        "cards": cards,
        "classes": classes,
        "players": _embedded([shown]),
        "table": _embedded(table),
    }
    write_page(output, "labelling.html", content)


def _embedded(content: Any) -> str:
    """JSON for a script element."""
    return json.dumps(content, separators=(",", ":")).replace("</", "<\\/")
