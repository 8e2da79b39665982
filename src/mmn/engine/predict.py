"""Recordings of any kind, and what networks recognise in each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.format.clips import UNKNOWN, Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import Layout
from mmn.data.format.selection import join
from mmn.data.sources.classes import UNNAMED
from mmn.data.sources.convert import read_source
from mmn.data.sources.joints_by_name import LackingJointsError
from mmn.data.sources.readers.deeplabcut import is_deeplabcut
from mmn.data.sources.readers.sleap import is_sleap
from mmn.data.sources.recording import Recording
from mmn.data.sources.words import some
from mmn.errors import UserError
from mmn.evaluation.probabilities import Guess, likeliest
from mmn.evaluation.scores import Scores
from mmn.inference.predict import Predictor


@dataclass(frozen=True)
class Recordings:
    """What a source holds.

    Attributes:
        clips: one after the other, whatever split they are of.
        layout: their skeleton.
        notes: what was decided while they were read.
    """

    clips: Clips
    layout: Layout
    notes: str = ""


def read_recordings(
    source: Path, predictor: Predictor, layout: str | None = None, split: str | None = None, **options: Any
) -> Recordings:
    """The clips of a source, in the joints that the networks see.

    Args:
        source: what ``mmn convert`` reads, or a file that it wrote.
        predictor: the networks.
        layout: the skeleton the source is in; None for the networks' own.
        split: of the source; None for all.
        options: those of ``read_source``.

    Raises:
        UserError: a source that cannot be read, or lacks joints that the networks see.
    """
    notes = ""
    if options.get("format") is None and source.suffix == ".h5" and not _is_of_a_tracker(source):
        data = read_data(source)
    else:
        try:
            options = {"missing": "interpolate", **options}
            data = read_source(source, layout or predictor.layout, watch=_unlabelled, **options).data
        except LackingJointsError as error:
            raise UserError(
                f"{source} holds {error.words}, which do not give {some(error.lacking)}, and the network sees them; "
                "give recordings that have them, or a network trained without (data.joints=[…])."
            ) from None
        notes = "; ".join(note for note in data.source.split("; ")[1:] if note != UNNAMED)
    if split is not None and split not in data.splits:
        raise UserError(f"{source} has no split {split}; it has {', '.join(data.splits)}.")
    return Recordings(join(data.splits) if split is None else data.splits[split], data.layout, notes)


def likeliest_of(predictor: Predictor, recordings: Recordings, places: int) -> Iterator[list[Guess]]:
    """The ``places`` likeliest classes of each clip, a batch of clips at a time."""
    clips = recordings.clips
    for start in range(0, len(clips), predictor.batch_size):
        batch = range(start, min(start + predictor.batch_size, len(clips)))
        logits = predictor.logits([clips.clip(index) for index in batch], recordings.layout)
        names = clips.names[batch.start : batch.stop]
        scores = Scores(names, np.full(len(names), UNKNOWN), logits.astype(np.float32), predictor.classes)
        yield likeliest(scores, places)


def told_apart(recordings: Recordings, source: Path, seen: set[str]) -> Recordings:
    """The same recordings, called ``source/name`` where ``seen``, to which their names are added, has a name already.

    Raises:
        UserError: names that are taken all the same.
    """
    names = recordings.clips.names
    if not seen.isdisjoint(names):
        names = [f"{source.stem}/{name}" for name in names]
    if taken := seen.intersection(names):
        raise UserError(f"{source} has a clip {min(taken)}, as a source before it; give each source once.")
    seen.update(names)
    return replace(recordings, clips=replace(recordings.clips, names=names))


def _unlabelled(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Labels may be of other classes than the network's."""
    return (replace(recording, label=None) for recording in recordings)


def _is_of_a_tracker(path: Path) -> bool:
    return is_sleap(path) or is_deeplabcut(path)
