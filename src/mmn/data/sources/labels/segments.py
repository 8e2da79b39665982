"""Labelled segments of long recordings: CSV of ``name,start,end,label[,split,group]``, or ELAN's ``.eaf``."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmn.data.sources.clip import Clip
from mmn.data.sources.labels.match import recordings_of
from mmn.data.sources.labels.table import read_split, read_table
from mmn.data.sources.words import some
from mmn.errors import UserError
from mmn.outside import from_outside

COLUMNS = ("name", "start", "end", "label")

_TABLES = (".csv", ".tsv")


class Segment(NamedTuple):
    """One labelled segment of a recording.

    Attributes:
        name: name of the recording.
        start: in seconds, or the first frame.
        end: in seconds, or the last frame.
        label: class name or index, as written.
        split: train, val or test; train if the table has none.
        group: subject or recording; empty if the table has none.
        where: location of the row, for error messages.
    """

    name: str
    start: float
    end: float
    label: str
    split: str
    group: str
    where: str


def read_segments(path: Path, fps: float | None) -> list[Segment]:
    """The segments of a CSV file, an ``.eaf`` file, or a folder of them.

    Raises:
        UserError: a file cannot be read, a row is invalid, or times are in seconds and ``fps`` is missing.
    """
    if path.suffix.lower() in _TABLES:
        segments = [_segment(cells, f"{path}, line {number}") for number, cells in read_table(path, COLUMNS)]
    else:
        segments = [s for file in (sorted(path.glob("*.eaf")) if path.is_dir() else [path]) for s in _read_eaf(file)]
        if fps is None and segments:
            raise UserError(f"{path} has times in seconds; give the frames per second, as in --fps 30.")
    if not segments:
        raise UserError(f"{path} has no segments; each needs {', '.join(COLUMNS)}.")
    if fps is None and (broken := next((s for s in segments if s.start % 1 or s.end % 1), None)):
        raise UserError(
            f"{broken.where} has times {broken.start:g} to {broken.end:g}, apparently in seconds; give the frames per "
            "second, as in --fps 30."
        )
    return segments


def is_segments(path: Path) -> bool:
    """Whether labels are segments: an ``.eaf`` file, a folder, or a table with the columns start and end."""
    if path.suffix.lower() in _TABLES:
        rows = read_table(path, ())
        return bool(rows) and {"start", "end"} <= set(rows[0][1])
    return path.suffix.lower() == ".eaf" or path.is_dir()


def cut(
    clips: Sequence[Clip], segments: Sequence[Segment], fps: float | None, pad: float, rest: str | None, first: int
) -> tuple[list[Clip], list[str]]:
    """Cut one clip per segment; also return a note on recordings without segments.

    Args:
        clips: whole recordings, with a row for every frame.
        segments: with ``fps`` in seconds, the end excluded; otherwise in frames, the last one included.
        fps: frames per second.
        pad: seconds or frames by which each segment is extended at either end.
        rest: class of the intervals between segments; None to leave them out.
        first: number of a recording's first frame, 0 or 1; used with ``fps``.

    Raises:
        UserError: a segment has no recording, or fits several.
    """
    by_recording: dict[str, list[Segment]] = {}
    place = recordings_of({segment.name for segment in segments}, {clip.recording for clip in clips})
    for segment in segments:
        by_recording.setdefault(place[segment.name], []).append(segment)
    scale, origin = (fps, first) if fps else (1.0, 0)
    found: list[Clip] = []
    for clip in clips:
        rows = sorted(by_recording.get(clip.recording, []), key=lambda s: s.start)
        if rest is not None:
            rows = sorted([*rows, *_between(rows, rest, 0 if fps else 1)], key=lambda s: s.start)
        for number, row in enumerate(rows, start=1):
            wider = 0.0 if row.label == rest else pad
            start, end = (row.start - wider) * scale + origin, (row.end + wider) * scale + origin
            part = _part(clip, row, number, round(start), round(end) - (1 if fps else 0))
            if row.label != rest or len(part.frames):  # segments may leave gaps of less than a frame
                found.append(part)
    without = [clip.name for clip in clips if clip.recording not in by_recording]
    return found, [f"recordings without segments left out: {some(without)}"] if without else []


def _part(clip: Clip, row: Segment, number: int, first: int, last: int) -> Clip:
    inside = np.flatnonzero((clip.frames >= first) & (clip.frames <= last))
    return replace(
        clip,
        name=f"{clip.name}/{number:04d}",
        frames=clip.frames[inside],
        joints=clip.joints[inside],
        label=row.label,
        split=row.split,
        group=row.group or clip.group or clip.recording,
        where=f"{row.where}: ",
    )


def _between(rows: Sequence[Segment], rest: str, one: int) -> list[Segment]:
    """The intervals between segments; ``one`` is 1 if ends are inclusive, else 0."""
    gaps, reach = [], rows[0] if rows else None
    for row in rows[1:]:
        assert reach is not None
        if row.start > reach.end + one:
            gaps.append(row._replace(start=reach.end + one, end=row.start - one, label=rest))
        reach = max(reach, row, key=lambda s: s.end)
    return gaps


def _segment(cells: dict[str, str], where: str) -> Segment:
    try:
        start, end = (float(cells[key].replace(",", ".")) for key in ("start", "end"))
        if not np.isfinite([start, end]).all():
            raise ValueError
    except (KeyError, ValueError):
        raise UserError(
            f"{where}: start {cells.get('start')!r} or end {cells.get('end')!r} is not a number; correct it."
        ) from None
    if not cells["name"] or end < start or start < 0:
        raise UserError(
            f"{where}: segment {start:g} to {end:g} of {cells['name']!r} is invalid; give a name, a start from 0 and "
            "an end not before it."
        )
    split = read_split(cells.get("split") or "train", f"{where}: recording {cells['name']}")
    return Segment(cells["name"], start, end, cells.get("label", ""), split, cells.get("group", ""), where)


def _read_eaf(path: Path) -> list[Segment]:
    """All time-aligned annotations of all tiers; the recording is named after the file."""
    with from_outside(path, "ELAN file", "save it from ELAN again"):
        root = ElementTree.fromstring(path.read_bytes())
        times = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
        segments = []
        for annotation in root.iter("ALIGNABLE_ANNOTATION"):
            start, end = (times.get(annotation.get(f"TIME_SLOT_REF{i}")) for i in (1, 2))
            label = (annotation.findtext("ANNOTATION_VALUE") or "").strip()
            if start is not None and end is not None and label:
                where = f"{path}, {annotation.get('ANNOTATION_ID')}"
                segments.append(Segment(path.stem, int(start) / 1000, int(end) / 1000, label, "train", "", where))
    return segments
