"""Class names for a conversion: from a text file, from the layout, or collected from the labels."""

from collections.abc import Iterable
from pathlib import Path

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.layout import BUILT_IN
from mmn.data.sources.labels.index import INDEX
from mmn.data.sources.labels.table import read_text
from mmn.errors import UserError

UNNAMED = "classes have no names: give --classes"
"""Note added if class names had to be made up."""


def find_classes(
    layout: str, path: str | Path | None, labels: Iterable[int | str | None], first: int, auto: bool
) -> tuple[Classes, list[str]]:
    """Return the classes, with body groups if the layout defines them, and a note if names had to be made up.

    Args:
        layout: name or file of the layout.
        path: a text file with one class name per line, or a layout with classes; None for the layout's own names.
        labels: the clips' labels.
        first: the label of the first class, 0 or 1.
        auto: whether the layout was inferred from the source; its class names may then not apply.

    Raises:
        UserError: the file cannot be read.
    """
    if path is not None:
        if str(path) in BUILT_IN or Path(path).suffix in (".yaml", ".yml"):
            if (defined := load_classes(path)) is None:
                raise UserError(f"--classes is {path}, a layout without class names; give one that has them.")
            return defined, []
        lines = read_text(Path(path), "a text file with one class name per line").split("\n")
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
