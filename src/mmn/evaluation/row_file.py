"""Tables that grow while they are computed: CSV, JSON lines or JSON."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mmn.errors import UserError
from mmn.files import replacing, write_json
from mmn.text import cell

FORMS = (".csv", ".jsonl", ".json")

Row = Mapping[str, Any]
"""A value for each column; numbers rounded as they are to be read."""


def check_form(path: Path, forms: tuple[str, ...] = FORMS) -> None:
    """Refuse a path that is of none of these forms, or cannot be written to.

    Raises:
        UserError: naming the forms there are.
    """
    if path.suffix.lower() not in forms:
        raise UserError(f"{path} does not end in {', '.join(forms[:-1])} or {forms[-1]}, which says what to write.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a file to write.")


@contextmanager
def growing(path: Path, columns: list[str]) -> Iterator[Callable[[list[Row]], None]]:
    """Write rows as they come, so that what was finished stays when a run is stopped; JSON is whole or not there.

    Args:
        path: its ending says the form.
        columns: names of the columns, in their order.

    Yields:
        What takes the next rows.

    Raises:
        UserError: a file that cannot be written.
    """
    if path.suffix.lower() == ".json":
        rows: list[Row] = []
        yield rows.extend
        write_json(path, rows)
        return
    with replacing(path) as part:  # says in a sentence what is wrong with the place
        part.touch()
    with path.open("w", newline="", encoding="utf-8") as file:
        yield _writer(file, path.suffix.lower(), columns)


def write_rows(path: Path, columns: list[str], rows: list[Row]) -> None:
    """Write a whole table at once, or nothing.

    Raises:
        UserError: a file that cannot be written.
    """
    if path.suffix.lower() == ".json":
        write_json(path, rows)
        return
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        _writer(file, path.suffix.lower(), columns)(rows)


def _writer(file: TextIO, form: str, columns: list[str]) -> Callable[[list[Row]], None]:
    table = csv.DictWriter(file, columns, lineterminator="\n")
    if form == ".csv":
        table.writeheader()

    def add(rows: list[Row]) -> None:
        if form == ".csv":
            table.writerows({k: cell(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.flush()

    return add
