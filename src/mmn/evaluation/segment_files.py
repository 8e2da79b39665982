"""Segment files for annotation tools and video players: CSV, JSON, WebVTT subtitles, ELAN."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mmn.errors import UserError
from mmn.evaluation.row_file import FORMS as TABLES
from mmn.evaluation.row_file import write_rows
from mmn.evaluation.segments import COLUMNS, Segment
from mmn.files import replacing
from mmn.text import plain

FORMS = (*TABLES, ".vtt", ".eaf")
OF_ONE_RECORDING = (".vtt", ".eaf")
"""Formats that describe a single video."""


def check_segment_form(path: Path) -> None:
    """Check that the library for ELAN files is installed, if it is needed.

    Raises:
        UserError: it is not; the message says how to install it.
    """
    if path.suffix.lower() == ".eaf":
        try:
            import pympi  # noqa: F401
        except ImportError:
            raise UserError("ELAN files need pympi, which is not installed; run pip install -e '.[elan]'.") from None


def write_segments(path: Path, segments: Sequence[Segment]) -> None:
    """Write segments atomically, in the format of the file's suffix.

    Raises:
        UserError: the file cannot be written.
    """
    form = path.suffix.lower()
    if form == ".vtt":
        with replacing(path) as part:
            part.write_text(_subtitles(segments), encoding="utf-8")
    elif form == ".eaf":
        with replacing(path) as part:
            part.write_bytes(_elan(segments))
    else:
        write_rows(path, COLUMNS, [segment.as_row() for segment in segments])


def _subtitles(segments: Sequence[Segment]) -> str:
    cues = [
        f"{_clock(segment.start)} --> {_clock(segment.end)}\n{_text(segment.class_name)} {segment.probability:.0%}\n"
        for segment in segments
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float) -> str:
    thousandths = round(1000 * seconds)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _text(name: str) -> str:
    """A name escaped for a subtitle, in which ``<`` and ``&`` would start markup."""
    return plain(name).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _elan(segments: Sequence[Segment]) -> bytes:
    """One tier per class, since annotations in a tier cannot overlap."""
    from pympi.Elan import Eaf, to_eaf

    document = Eaf(author="mmn")
    document.remove_tier("default")
    for segment in segments:
        name = plain(segment.class_name)
        if name not in document.get_tier_names():
            document.add_tier(name)
        start = round(1000 * segment.start)
        document.add_annotation(name, start, max(start + 1, round(1000 * segment.end)), name)
    with TemporaryDirectory() as folder:  # the library renames existing files
        path = Path(folder) / "segments.eaf"
        to_eaf(str(path), document)
        return path.read_bytes()
