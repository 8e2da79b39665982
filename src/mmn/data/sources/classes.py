"""The class names of a conversion: the layout's, those of a text file, or those that labels name."""

from collections.abc import Iterable
from pathlib import Path

from mmn.data.format.layout import Classes, load_classes
from mmn.data.sources.labels.table import read_text
from mmn.errors import UserError


def find_classes(layout: str | Path, path: str | Path | None, labels: Iterable[int | str | None]) -> Classes:
    """Class names, and groups where the layout brings them.

    Args:
        layout: the layout's name or file.
        path: a text file with a class name a line; None for the layout's own.
        labels: those of the clips; where nothing else names classes and all are names, these are the classes.

    Raises:
        UserError: no names at all, or a file that cannot be read.
    """
    if path is not None:
        lines = read_text(Path(path), "a text file with a class name a line").split("\n")
        return Classes([line.strip() for line in lines if line.strip()], [], [])
    if (classes := load_classes(layout)) is not None:
        return classes
    names = {str(label).strip() for label in labels if label is not None} - {"", "-1"}
    if names and not any(name.replace(".", "").isdecimal() for name in names):
        return Classes(sorted(names), [], [])
    raise UserError(f"the layout {layout} brings no class names; give --classes a text file with a name a line.")
