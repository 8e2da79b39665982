"""Label tables: a CSV file of ``name,label,split[,group]``, or list files of ``name label``, one per split."""

import csv
import io
import unicodedata
from pathlib import Path
from typing import NamedTuple

from mmn.data.format.skeletons import SPLITS
from mmn.errors import UserError
from mmn.outside import from_outside, read_bytes
from mmn.text import uncell

_OTHER_NAMES = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test"}
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class Row(NamedTuple):
    """One row of a label table.

    Attributes:
        name: name of the clip as written, in NFC.
        label: class name or index as written; may be empty.
        split: train, val or test.
        group: subject or recording; empty if the table has none.
        where: location of the row, for error messages.
    """

    name: str
    label: str
    split: str
    group: str
    where: str


def read_labels(labels: str | Path) -> list[Row]:
    """The rows of a CSV file, or of list files given as ``train=a.txt,val=b.txt``.

    Raises:
        UserError: a file cannot be read, or a row is invalid.
    """
    if "=" in str(labels) and not Path(labels).exists():
        return [row for part in str(labels).split(",") for row in _read_list(part)]
    path = Path(labels)
    return [_row(cells, f"{path}, line {number}") for number, cells in read_table(path, ("name", "label", "split"))]


def read_table(path: Path, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells by column for each row of a CSV file with commas, semicolons or tabs.

    Column names are case-insensitive; empty rows are skipped.

    Raises:
        UserError: the file cannot be read, or lacks one of the columns ``needed``.
    """
    text = read_text(path, f"a CSV file with the columns {','.join(needed)}")
    header = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    with from_outside(path, "CSV file", "save it again"):
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
    columns = [cell.strip().lower() for cell in (rows[0] if rows else [])]
    if not set(needed) <= set(columns):
        raise UserError(
            f"{path} has {', '.join(columns) or 'nothing'} in its first line, split at {_DELIMITERS[delimiter]}; it "
            f"must name the columns {', '.join(needed[:-1])} and {needed[-1]}, separated by commas, semicolons or tabs."
        )
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        raise UserError(f"{path} has two columns {twice[0]}; remove one.")
    for number, cells in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise UserError(
                f"{path}, line {number} has {len(cells)} cells, but there are {len(columns)} columns; quote text that "
                f"contains {_DELIMITERS[delimiter]}."
            )
    return [
        (number, dict(zip(columns, map(_text, cells), strict=False)))
        for number, cells in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in cells)
    ]


def _text(cell: str) -> str:
    return unicodedata.normalize("NFC", uncell(cell.strip()))


def read_text(path: Path, what: str) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        UserError: the file cannot be read, or has another encoding.
    """
    content = read_bytes(path, what.removeprefix("a "))
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path} is written in UTF-16; save it as UTF-8 (it must be {what}).")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path} is not UTF-8, line {line} looks like Windows' cp1252; save it as UTF-8 (it must be {what})."
        ) from None


def read_split(text: str, where: str) -> str:
    """Return train, val or test, also for common synonyms such as ``validation``.

    Raises:
        UserError: the text is no split.
    """
    split = _OTHER_NAMES.get(text.lower(), text.lower())
    if split not in SPLITS:
        raise UserError(f"{where} is in split {text!r}; choose one of {', '.join(SPLITS)}.")
    return split


def _row(cells: dict[str, str], where: str) -> Row:
    name = cells["name"]
    if not name:
        raise UserError(f"{where}: the name is empty; name the clip.")
    split = read_split(cells.get("split", ""), f"{where}: clip {name}")
    return Row(name, cells.get("label", ""), split, cells.get("group", ""), where)


def _read_list(part: str) -> list[Row]:
    """A list file of MMAction: name or path of a clip, optionally its number of frames, and its class index."""
    split, _, file = part.partition("=")
    if split not in SPLITS or not file:
        raise UserError(f"--labels has {part!r}; give list files as train=a.txt,val=b.txt.")
    rows = []
    for number, line in enumerate(read_text(Path(file), "a list of names and labels").split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.replace(",", " ").replace(";", " ").split()
        if len(cells) < 2 or not cells[-1].lstrip("-").isdecimal():
            raise UserError(f"{file}, line {number} is {line!r}; expected a name and a class index.")
        name = cells[:-2] if len(cells) > 2 and cells[-2].isdecimal() else cells[:-1]
        rows.append(Row(unicodedata.normalize("NFC", " ".join(name)), cells[-1], split, "", f"{file}, line {number}"))
    return rows
