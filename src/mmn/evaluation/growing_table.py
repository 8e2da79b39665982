"""A table that is written incrementally and can be resumed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mmn.evaluation.row_file import Row, header, lines, write_rows
from mmn.files import replacing

LINES = (".csv", ".jsonl")
"""Formats that can be appended to."""


class GrowingTable:
    """Rows of finished clips, in the order of completion; see ``growing_table``.

    Attributes:
        recorded: identity of a clip → its rows, which an interrupted run has found.
        rows: the rows added.
        clips: number of clips added.
    """

    def __init__(self, path: Path, columns: list[str], record: BinaryIO, recorded: dict[str, Sequence[Row]]) -> None:
        self.recorded = recorded
        self.rows: list[Row] = []
        self.clips = 0
        self._path, self._columns, self._record = path, columns, record
        self._file: BinaryIO | None = None

    def add(self, found: Mapping[str, Sequence[Row]]) -> None:
        """Append the rows of finished clips, by the clips' identities; a clip may have none."""
        if new := {clip: list(rows) for clip, rows in found.items() if clip not in self.recorded}:
            self._record.write(_line(new))
        rows = [row for of_clip in found.values() for row in of_clip]
        self.clips += len(found)
        self.rows += rows
        form = self._path.suffix.lower()
        if form not in LINES:
            return
        text = lines(form, self._columns, rows)
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

    Until the table is complete, ``PATH.unfinished`` records the request and the rows of finished clips. A later call
    with the same request finds them in ``recorded``; one with another request starts over.

    Args:
        path: its suffix determines the format; see ``row_file.FORMS``.
        columns: column names, in order.
        request: everything that the rows depend on besides the clips, as JSON-compatible values.

    Raises:
        UserError: the file cannot be written.
    """
    record = path.with_name(f"{path.name}.unfinished")
    recorded = _recorded(record, request)
    with replacing(record) as part:  # reports an unwritable folder in one sentence
        part.write_bytes(_line(request) + (_line(recorded) if recorded else b""))
    with record.open("ab", buffering=0) as log:
        table = GrowingTable(path, columns, log, recorded)
        try:
            yield table
        finally:
            table.close()
            if not (table.clips or recorded):
                record.unlink()
    if path.suffix.lower() not in LINES:
        write_rows(path, columns, table.rows)
    record.unlink(missing_ok=True)


def _recorded(record: Path, request: dict[str, Any]) -> dict[str, Sequence[Row]]:
    """What an interrupted run with the same request has found, up to the first incomplete line."""
    found: dict[str, Sequence[Row]] = {}
    if not record.is_file():
        return found
    written, *entries = record.read_bytes().split(b"\n")
    with suppress(ValueError):
        for entry in entries if written + b"\n" == _line(request) else []:
            found.update(json.loads(entry))
    return found


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
