"""Check an MA-52 challenge file before it is submitted."""

import csv
import io
import re
import zipfile
from collections import Counter
from pathlib import Path

from mmn.data.format.classes import Classes
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.challenge import PLACES, header, video
from mmn.outside import from_outside, read_text
from mmn.text import plain

_BYTES_PER_CLIP = 1_000
_INDEX = re.compile("0|[1-9][0-9]{0,5}", re.ASCII)


def check_submission(path: Path, data: SkeletonData, split: str = "test", own_groups: bool = False) -> list[str]:
    """Check ``prediction.zip`` (or ``.csv``) against the clips and classes of a data file.

    Args:
        path: the file to check.
        data: content of the data file.
        split: the split that was predicted.
        own_groups: whether groups are ranked on their own, instead of being those of the ranked actions.

    Returns:
        One sentence per fault.

    Raises:
        UserError: the file is missing, or the data file has no such split or no body groups.
    """
    if split not in data.splits or not data.classes.group_names:
        raise UserError(f"{data.name} has no split {split} or no body groups; give the challenge's own data file.")
    if not path.is_file():
        raise UserError(f"there is no file {path}; eval.py writes prediction.zip.")
    expected = {video(name) for name in data.splits[split].names}
    try:
        rows = _rows(path, _BYTES_PER_CLIP * (len(expected) + 1000))
    except UserError as error:
        return [str(error)]
    wanted = header(PLACES, PLACES)
    if not rows or rows[0] != wanted:
        return [f"the header is {shown(','.join(rows[0])) if rows else 'missing'}; it should be {','.join(wanted)}"]
    counts = Counter(row[0] if row else "" for row in rows[1:])
    faults = [f"clip {name} is missing" for name in sorted(expected - counts.keys())]
    faults += [f"clip {shown(name)} is not in split {split}" for name in counts if name not in expected]
    faults += [f"clip {shown(name)} occurs {count} times" for name, count in counts.items() if count > 1]
    for number, row in enumerate(rows[1:], start=2):
        faults += [
            f"line {number}, clip {shown(row[0]) if row else ''}: {fault}"
            for fault in _row(row, data.classes, own_groups)
        ]
    return faults


def shown(text: str) -> str:
    """Text from the file for a message: shortened, without control characters."""
    return plain(text if len(text) <= 80 else f"{text[:80]}…")


def _rows(path: Path, limit: int) -> list[list[str]]:
    """The CSV's rows.

    Raises:
        UserError: the file cannot be read, is an archive of anything but prediction.csv, or exceeds ``limit`` bytes.
    """
    if path.suffix == ".csv":
        text = read_text(path, "CSV file", limit)
    else:
        with from_outside(path, "zip archive", "write it again with eval.py"), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if names != ["prediction.csv"]:
                held = ", ".join(map(shown, names[:5])) or "nothing"
                raise UserError(f"the archive holds {held}; it should hold only prediction.csv")
            with archive.open("prediction.csv") as file:
                content = file.read(limit + 1)
            if len(content) > limit:
                raise UserError(f"prediction.csv unpacks to more than {limit:,} bytes, too many for its clips")
            text = content.decode("utf-8")
    with from_outside(path, "CSV file"):
        return list(csv.reader(io.StringIO(text)))


def _row(row: list[str], classes: Classes, own_groups: bool) -> list[str]:
    """Faults of one clip's line."""
    if len(row) != 1 + 2 * PLACES:
        return [f"it has {len(row)} cells instead of {1 + 2 * PLACES}"]
    faults = []
    actions, bodies = row[1 : 1 + PLACES], row[1 + PLACES :]
    for kind, cells, count in (("action", actions, len(classes.names)), ("body", bodies, len(classes.group_names))):
        for place, cell in enumerate(cells, start=1):
            if not _INDEX.fullmatch(cell) or int(cell) >= count:
                faults.append(f"{kind}_pred_{place} is {shown(cell)!r}, not an index from 0 to {count - 1}")
    if faults:
        return faults
    if len(set(actions)) != PLACES:
        faults.append("an action is predicted twice")
    if own_groups:
        return faults + (["a group is predicted twice"] if len(set(bodies)) != PLACES else [])
    for place, (action, body) in enumerate(zip(actions, bodies, strict=True), start=1):
        group = classes.group_of_class[int(action)]
        if group != int(body):
            faults.append(f"body_pred_{place} is {body}, but action {action} belongs to {group}")
    return faults
