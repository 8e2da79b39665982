"""Faults of an MA-52 challenge file, before the server finds them."""

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

from mmn.data.format.layout import Classes
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.challenge import PLACES, header, video


def check_submission(path: Path, data: SkeletonData, split: str = "test") -> list[str]:
    """Every fault of ``prediction.zip`` (or ``.csv``) against the clips and classes of a file, a sentence each.

    Raises:
        UserError: no such file, or a data file without that split or without body groups.
    """
    if split not in data.splits or not data.classes.group_names:
        raise UserError(f"{data.name} has no split {split} or no body groups; give the challenge's own data file.")
    if not path.is_file():
        raise UserError(f"there is no file {path}; eval.py writes prediction.zip.")
    text, faults = _text(path)
    if text is None:
        return faults
    rows = list(csv.reader(io.StringIO(text)))
    wanted = header(PLACES, grouped=True)
    if not rows or rows[0] != wanted:
        return [*faults, f"the header is {','.join(rows[0]) if rows else 'missing'}; it has to be {','.join(wanted)}"]
    names = [row[0] if row else "" for row in rows[1:]]
    expected = [video(name) for name in data.splits[split].names]
    faults += [f"clip {name} is missing" for name in expected if name not in set(names)]
    faults += [f"clip {name} is not in split {split}" for name in names if name not in set(expected)]
    faults += [f"clip {name} is there {count} times" for name, count in Counter(names).items() if count > 1]
    for number, row in enumerate(rows[1:], start=2):
        faults += [f"line {number}, clip {row[0] if row else ''}: {fault}" for fault in _row(row, data.classes)]
    return faults


def _text(path: Path) -> tuple[str | None, list[str]]:
    """The CSV's text, None where there is none, and faults of the archive."""
    try:
        if path.suffix == ".csv":
            return path.read_text(encoding="utf-8"), []
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if names != ["prediction.csv"]:
                return None, [f"the archive holds {', '.join(names) or 'nothing'}; it has to hold prediction.csv alone"]
            return archive.read("prediction.csv").decode("utf-8"), []
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        return None, [f"{path.name} cannot be read ({error})"]


def _row(row: list[str], classes: Classes) -> list[str]:
    """Faults of one clip's line."""
    if len(row) != 1 + 2 * PLACES:
        return [f"it has {len(row)} cells in place of {1 + 2 * PLACES}"]
    faults = []
    actions, bodies = row[1 : 1 + PLACES], row[1 + PLACES :]
    for kind, cells, count in (("action", actions, len(classes.names)), ("body", bodies, len(classes.group_names))):
        for place, cell in enumerate(cells, start=1):
            if not cell.isdecimal() or int(cell) >= count:
                faults.append(f"{kind}_pred_{place} is {cell!r}, no index from 0 to {count - 1}")
    if faults:
        return faults
    if len(set(actions)) != PLACES:
        faults.append("an action is predicted twice")
    for place, (action, body) in enumerate(zip(actions, bodies, strict=True), start=1):
        group = classes.group_of_class[int(action)]
        if group != int(body):
            faults.append(f"body_pred_{place} is {body}, and action {action} belongs to {group}")
    return faults
