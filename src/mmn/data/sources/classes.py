"""The class names of a conversion: those of a text file, the layout's, or those that labels name or number."""

from collections.abc import Iterable
from pathlib import Path

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.layout import BUILT_IN
from mmn.data.sources.labels.index import INDEX
from mmn.data.sources.labels.table import read_text

UNNAMED = "classes have no names: give --classes"
"""The note where names had to be made up."""


def find_classes(
    layout: str, path: str | Path | None, labels: Iterable[int | str | None], first: int, auto: bool
) -> tuple[Classes, list[str]]:
    """Class names, groups where the layout brings them, and a note where the names had to be made up.

    Args:
        layout: the layout's name or file.
        path: a text file with a class name a line; None for the layout's own.
        labels: those of the clips.
        first: the number of the first class.
        auto: whether the layout was chosen by the source, so that its class names need not be meant.

    Raises:
        UserError: a file that cannot be read.
    """
    if path is not None:
        lines = read_text(Path(path), "a text file with a class name a line").split("\n")
        return Classes([line.strip() for line in lines if line.strip()], [], []), []
    used = {str(label).strip() for label in labels if label is not None} - {"", "-1", "-1.0"}
    named = bool(used) and not any(INDEX.fullmatch(label) for label in used)
    classes = load_classes(layout) if layout in BUILT_IN or Path(layout).exists() else None
    if classes is not None and not (auto and named and not used <= set(classes.names)):
        return classes, []
    if named:
        return Classes(sorted(used), [], []), []
    numbers = [int(float(label)) for label in used if INDEX.fullmatch(label)]
    count = max(numbers, default=first) + 1 - first
    return Classes([f"class {index}" for index in range(count)], [], []), [UNNAMED]
