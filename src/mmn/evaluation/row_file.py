"""Table files: CSV, JSON lines or JSON."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.files import replacing, write_json
from mmn.text import cell

FORMS = (".csv", ".jsonl", ".json")

Row = Mapping[str, Any]
"""A value for each column; numbers are already rounded for display."""


def check_form(path: Path, forms: tuple[str, ...] = FORMS) -> None:
    """Check that a path has one of these suffixes and is not a folder.

    Raises:
        UserError: naming the valid suffixes.
    """
    if path.suffix.lower() not in forms:
        ends = f"{', '.join(forms[:-1])} or {forms[-1]}" if len(forms) > 1 else forms[0]
        raise UserError(f"{path} must end in {ends}, which determines the format.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a file to write.")


def write_rows(path: Path, columns: list[str], rows: Sequence[Row]) -> None:
    """Write a complete table atomically.

    Raises:
        UserError: the file cannot be written.
    """
    if path.suffix.lower() == ".json":
        write_json(path, rows)
        return
    form = path.suffix.lower()
    with replacing(path) as part:
        part.write_bytes((header(form, columns) + lines(form, columns, rows)).encode())


def header(form: str, columns: list[str]) -> str:
    """The header line of a file with the suffix ``form``; empty if the format has none."""
    return ",".join(columns) + "\n" if form == ".csv" else ""


def lines(form: str, columns: list[str], rows: Sequence[Row]) -> str:
    """Rows as CSV or JSON lines."""
    if form != ".csv":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writerows({k: cell(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows)
    return text.getvalue()
