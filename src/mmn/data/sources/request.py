"""What every reader is asked for, and what it answers."""

from dataclasses import dataclass, field
from pathlib import Path

from mmn.data.format.clips import Clips
from mmn.data.format.layout import Classes, Layout


@dataclass(frozen=True)
class Request:
    """What is known beside the source itself.

    Attributes:
        layout: the skeleton that clips are wanted in.
        classes: what labels count in.
        labels: CSV of ``name,label,split``, for sources without labels of their own; None for clips without labels.
        splits: our split → its name in the source, for sources with split names of their own.
        min_score: joints that an estimator is no surer of than this are missing.
    """

    layout: Layout
    classes: Classes
    labels: Path | None = None
    splits: dict[str, str] = field(default_factory=dict)
    min_score: float = 0.0


@dataclass(frozen=True)
class Source:
    """What a reader found.

    Attributes:
        kind: what it was, in words.
        splits: its clips, missing joints NaN.
        notes: what a user should know: people left out, joints that were derived.
    """

    kind: str
    splits: dict[str, Clips]
    notes: list[str] = field(default_factory=list)
