"""A table that is written incrementally and can be resumed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mmn.evaluation.row_file import Row, header, lines, write_rows
from mmn.files import replacing

LINES = (".csv", ".jsonl")
"""Formats that can be appended to."""


class GrowingTable:
    """Rows of finished clips, in the order of completion; see ``growing_table``."""

    def __init__(self, path: Path, columns: list[str], record: BinaryIO) -> None:
        self.done: set[str] = set()
        self.rows: list[Row] = []
        self._path, self._columns, self._record = path, columns, record
        self._file: BinaryIO | None = None

    def add(self, names: Iterable[str], rows: Sequence[Row]) -> None:
        """Append the rows of finished clips; a clip may have none."""
        self._record.write(_line({"names": sorted(names), "rows": list(rows)}))
        self.restore(names, rows)

    def restore(self, names: Iterable[str], rows: Sequence[Row]) -> None:
        """Append rows that are already in the record."""
        self.done.update(names)
        self.rows += rows
        form = self._path.suffix.lower()
        if form not in LINES:
            return
        text = lines(form, self._columns, list(rows))
        if self._file is None:  # only now, so that a run that finishes no clip keeps the existing file
            self._file = self._path.open("wb", buffering=0)
            text = header(form, self._columns) + text
        self._file.write(text.encode())  # in one call, so that a killed process leaves no partial line

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def growing_table(path: Path, columns: list[str], request: dict[str, Any]) -> Iterator[GrowingTable]:
    """Write a table incrementally: CSV and JSON lines are always up to date, JSON is written at the end.

    Until the table is complete, ``PATH.unfinished`` records the request and the finished rows. A later call with the
    same request restores them; one with another request starts over.

    Args:
        path: its suffix determines the format; see ``row_file.FORMS``.
        columns: column names, in order.
        request: everything that the rows depend on, as JSON-compatible values.

    Raises:
        UserError: the file cannot be written.
    """
    record = path.with_name(f"{path.name}.unfinished")
    finished = _finished(record, request)
    with replacing(record) as part:  # reports an unwritable folder in one sentence
        part.write_bytes(b"".join(map(_line, [request, *finished])))
    with record.open("ab", buffering=0) as log:
        table = GrowingTable(path, columns, log)
        try:
            for entry in finished:
                table.restore(entry["names"], entry["rows"])
            yield table
        finally:
            table.close()
            if not table.done:
                record.unlink()
    if path.suffix.lower() not in LINES:
        write_rows(path, columns, table.rows)
    record.unlink(missing_ok=True)


def _finished(record: Path, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Entries of an interrupted run with the same request, up to the first incomplete line."""
    if not record.is_file():
        return []
    written, *entries = record.read_bytes().split(b"\n")
    found: list[dict[str, Any]] = []
    with suppress(ValueError):
        for entry in entries if written + b"\n" == _line(request) else []:
            found.append(json.loads(entry))
    return found


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
