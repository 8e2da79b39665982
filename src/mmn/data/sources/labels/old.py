"""``labels.csv``: the class and split of clips whose files do not say."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.skeletons import SPLITS
from mmn.errors import UserError


def split_clips(arrays: dict[str, NDArray[np.floating]], labels: Path | None, classes: Classes) -> dict[str, Clips]:
    """Clips ``name → (T, V, C)`` sorted into splits.

    Args:
        arrays: clips by name.
        labels: CSV with the columns ``name,label,split``; a label is a class index, a class name, or empty for
            unknown. Without it all clips are an unlabelled test split.
        classes: what labels count in.

    Raises:
        UserError: a row that means nothing, a clip without a row, or a row without a clip.
    """
    if labels is None:
        return {"test": Clips.from_arrays(list(arrays.values()), names=list(arrays))}
    rows = _read(labels, classes)
    for name in arrays:
        if name not in rows:
            raise UserError(f"clip {name} has no row in {labels}; add one or leave the clip out.")
    for name in rows:
        if name not in arrays:
            raise UserError(f"{labels} has a row for {name}, of which there is no clip; remove it or add the clip.")
    splits = {split: [name for name, (_, where) in rows.items() if where == split] for split in SPLITS}
    return {
        split: Clips.from_arrays([arrays[name] for name in names], [rows[name][0] for name in names], names)
        for split, names in splits.items()
        if names
    }


def _read(path: Path, classes: Classes) -> dict[str, tuple[int, str]]:
    """Name → (class index, split), in the file's order."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise UserError(
            f"{path} cannot be read; --labels takes a CSV file with the columns name,label,split."
        ) from None
    if not {"name", "label", "split"} <= set(columns):
        raise UserError(f"{path} has the columns {', '.join(columns)}; it needs name, label and split.")
    found: dict[str, tuple[int, str]] = {}
    for number, row in enumerate(rows, start=2):
        name, label, split = ((row[key] or "").strip() for key in ("name", "label", "split"))
        where = f"{path}, line {number}"
        if not name or name in found:
            raise UserError(f"{where}: the name {name!r} is empty or there twice; each clip has one row.")
        if split not in SPLITS:
            raise UserError(f"{where}: clip {name} is in split {split!r}; splits are {', '.join(SPLITS)}.")
        found[name] = (_label(label, classes, f"{where}: clip {name}"), split)
    return found


def _label(text: str, classes: Classes, where: str) -> int:
    if not text or text == str(UNKNOWN):
        return UNKNOWN
    if text in classes.names:
        return classes.names.index(text)
    if text.isdecimal() and int(text) < len(classes.names):
        return int(text)
    raise UserError(
        f"{where} has label {text!r}, which is neither a class name nor an index below {len(classes.names)}; "
        "correct it or the list of classes."
    )
