"""The options of a conversion, and what a reader returns."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmn.data.format.layout import Layout
from mmn.data.sources.people.choose_person import check_person
from mmn.data.sources.recording import Recording
from mmn.errors import UserError

MISSING = ("refuse", "interpolate")
ZEROS = ("missing", "keep")
CHANNELS = ("xy", "xyz", "xys", "xyzs")


@dataclass(frozen=True)
class ConvertOptions:
    """How to read a source.

    Attributes:
        format: one of ``formats.READERS``, or ``module.function`` of your own; None to recognise it.
        labels: a CSV file of ``name,label,split[,group]``, list files as ``train=a.txt,val=b.txt``, or segments of long
            recordings (see ``labels.segments``), for sources without labels of their own; None for no labels.
        labels_from: the index of the first class, 0 or 1; None for 0, asking where that looks wrong.
        classes: a text file with a class name a line, in place of those the layout brings.
        splits: our split → its name in the source, for sources with split names of their own.
        channels: what the numbers of a point in arrays are, s = score; None where it is plain.
        picture: width and height, for coordinates that are shares of the picture.
        person: whom to keep; see ``people.choose_person``.
        min_score: joints that an estimator is no surer of than this are missing.
        zeros: whether exact zeros without a score are ``missing`` or a place to ``keep``; None to ask.
        missing: what to do with missing joints: ``refuse``, or ``interpolate`` in time.
        max_gap: the most frames in a row that are filled in; None for half a second.
        max_filled: the largest share of a clip that is filled in.
        fps: frames a second; None where it is not known.
        pad: seconds (frames without ``fps``) that segments are made longer at either end.
        rest: the class of what lies between two segments; None to leave it out.
        skip_bad: leave out clips that cannot be used, in place of refusing the source.
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

    def __post_init__(self) -> None:
        for value, allowed, what in (
            (self.missing, MISSING, "way {!r} to treat missing joints"),
            (self.zeros, (None, *ZEROS), "way {!r} to take zeros"),
            (self.channels, (None, *CHANNELS), "channels {!r}"),
            (self.labels_from, (None, 0, 1), "first label {!r}"),
        ):
            if value not in allowed:
                raise UserError(f"there is no {what.format(value)}; choose {_or(allowed)}.")
        if self.fps is not None and self.fps <= 0:
            raise UserError(f"--fps is {self.fps}; give the frames a second, such as 30.")
        check_person(self.person)


@dataclass(frozen=True)
class Parsed:
    """What a reader found.

    Attributes:
        kind: what it was, in words.
        recordings: one after the other, read as they are asked for.
        published: the joints are to be taken as they are, zeros included: official pickles.
        layout: the source's own skeleton, for ``--layout auto``, where it has one.
        notes: what a user should know.
    """

    kind: str
    recordings: Iterable[Recording]
    layout: Layout | None = None
    published: bool = False
    notes: list[str] = field(default_factory=list)


def _or(values: Iterable[object]) -> str:
    *others, last = [str(value) for value in values if value is not None]
    return f"{', '.join(others)} or {last}"
