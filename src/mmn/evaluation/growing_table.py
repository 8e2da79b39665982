"""A table written while it is computed, which the same command continues after it was stopped."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mmn.evaluation.row_file import Row, header, lines, write_rows
from mmn.files import replacing

LINES = (".csv", ".jsonl")
"""Forms that can grow."""


class GrowingTable:
    """Rows of finished clips, in the order in which they were finished; see ``growing_table``."""

    def __init__(self, path: Path, columns: list[str], record: BinaryIO) -> None:
        self.done: set[str] = set()
        self.rows: list[Row] = []
        self._path, self._columns, self._record = path, columns, record
        self._file: BinaryIO | None = None

    def add(self, names: Iterable[str], rows: Sequence[Row]) -> None:
        """Add the rows of clips that are finished; a clip may have none."""
        self._record.write(_line({"names": sorted(names), "rows": list(rows)}))
        self.restore(names, rows)

    def restore(self, names: Iterable[str], rows: Sequence[Row]) -> None:
        """The same for rows that the record has already."""
        self.done.update(names)
        self.rows += rows
        form = self._path.suffix.lower()
        if form not in LINES:
            return
        text = lines(form, self._columns, list(rows))
        if self._file is None:  # only now, so that a run that finishes nothing leaves what was there
            self._file = self._path.open("wb", buffering=0)
            text = header(form, self._columns) + text
        self._file.write(text.encode())  # in one piece, so that a killed process leaves no half line

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def growing_table(path: Path, columns: list[str], request: dict[str, Any]) -> Iterator[GrowingTable]:
    """Write a table as its rows come: CSV and JSON lines are always up to date, JSON is whole or not there.

    Until the table is whole, ``PATH.unfinished`` records what was asked and what is finished. If it is there and the
    same is asked again, the table starts with all that was finished; if something else is asked, it starts anew.

    Args:
        path: its ending says the form; see ``row_file.FORMS``.
        columns: names of the columns, in their order.
        request: all that rows depend on, as JSON has it.

    Raises:
        UserError: a file that cannot be written.
    """
    record = path.with_name(f"{path.name}.unfinished")
    finished = _finished(record, request)
    with replacing(record) as part:  # says in a sentence what is wrong with the place
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
    """What a stopped run of the same request finished, up to the first line that is not whole."""
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
