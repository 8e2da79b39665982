"""The options of a conversion, and what a reader returns."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmn.data.format.layout import Layout
from mmn.data.sources.people.choose_person import check_person
from mmn.data.sources.recording import Recording, frame_rate
from mmn.errors import UserError

MISSING = ("refuse", "interpolate")
ZEROS = ("missing", "keep")
CHANNELS = ("xy", "xyz", "xys", "xyzs")


@dataclass(frozen=True)
class ConvertOptions:
    """Options for reading a source.

    Attributes:
        format: one of ``formats.READERS``, or a reader of your own as ``module.function``; None to detect.
        labels: a CSV file of ``name,label,split[,group]``, list files as ``train=a.txt,val=b.txt``, or segments of long
            recordings (see ``labels.segments``), for sources without labels of their own; None for no labels.
        labels_from: index of the first class, 0 or 1; None for 0, refusing labels that look one-based.
        classes: a text file with one class name per line, or a layout, instead of the layout's names.
        splits: our split → its name in the source, for sources with their own split names.
        channels: the values of a point in arrays, ``xy``, ``xyz``, ``xys`` or ``xyzs`` (s = score); None to detect.
        picture: width and height in pixels, for coordinates normalised by the picture size.
        person: which person to keep; see ``people.choose_person``.
        min_score: joints with a score of at most this count as missing.
        zeros: whether exact zeros without a score are ``missing``, or positions to ``keep``; None to refuse them.
        missing: what to do with missing joints: ``refuse``, or ``interpolate`` in time.
        max_gap: longest run of frames that is filled in; None for half a second.
        max_filled: largest share of a clip that is filled in.
        fps: frames per second; None if unknown.
        pad: seconds (frames without ``fps``) by which segments are extended at either end.
        rest: class of the intervals between segments; None to leave them out.
        skip_bad: leave out unusable clips instead of refusing the source.
        poses_only: read every clip of a pickle, whatever it says of labels and splits.
    """

    format: str | None = None
    labels: str | Path | None = None
    labels_from: int | None = None
    classes: str | Path | None = None
    splits: dict[str, str] = field(default_factory=dict)
    channels: str | None = None
    picture: tuple[int, int] | None = None
    person: str = "best"
    min_score: float = 0.0
    zeros: str | None = None
    missing: str = "refuse"
    max_gap: int | None = None
    max_filled: float = 0.5
    fps: float | None = None
    pad: float = 0.0
    rest: str | None = None
    skip_bad: bool = False
    poses_only: bool = False

    def __post_init__(self) -> None:
        for value, allowed, what in (
            (self.missing, MISSING, "missing"),
            (self.zeros, (None, *ZEROS), "zeros"),
            (self.channels, (None, *CHANNELS), "channels"),
            (self.labels_from, (None, 0, 1), "labels-from"),
        ):
            if value not in allowed:
                raise UserError(f"--{what} is {value!r}; choose {_or(allowed)}.")
        for number, what in ((self.min_score, "min-score"), (self.max_filled, "max-filled"), (self.pad, "pad")):
            if not math.isfinite(number):
                raise UserError(f"--{what} is {number}; give a number.")
        if self.max_gap is not None and self.max_gap < 0:
            raise UserError(f"--max-gap is {self.max_gap}; it must be a number of frames, 0 or more.")
        check_fps(self.fps)
        check_person(self.person)


@dataclass(frozen=True)
class Parsed:
    """A reader's result.

    Attributes:
        kind: description of the format.
        recordings: the recordings, read lazily.
        published: whether to use the joints unchanged, zeros included, as for the official pickles.
        layout: the source's own skeleton, if any, for ``--layout auto``.
        notes: notes for the user.
    """

    kind: str
    recordings: Iterable[Recording]
    layout: Layout | None = None
    published: bool = False
    notes: list[str] = field(default_factory=list)


def check_fps(fps: float | None) -> None:
    """Check a frame rate, if any.

    Raises:
        UserError: it is not one.
    """
    if fps is not None and frame_rate(fps) is None:
        raise UserError(f"--fps is {fps:g}; give the frames per second, such as 30.")


def _or(values: Iterable[object]) -> str:
    *others, last = [str(value) for value in values if value is not None]
    return f"{', '.join(others)} or {last}"
