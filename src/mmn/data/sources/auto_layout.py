"""``--layout auto``: the skeleton of the source's pose estimator, or of the source itself."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from mmn.data.format.layout import Layout, load_layout
from mmn.data.sources.options import Parsed
from mmn.data.sources.points import BY_COUNT, COCO17, NTU25, OPENPOSE25_BODY, Estimator
from mmn.data.sources.recording import Recording
from mmn.errors import UserError

AUTO = "auto"


def find_layout(layout: str | Path | Layout, parsed: Parsed) -> tuple[Layout, str, Iterable[Recording]]:
    """Return the requested skeleton, its name in messages, and all of the source's recordings.

    Args:
        layout: ``auto``, a built-in layout, a YAML file, or a ``Layout``.
        parsed: the source; for ``auto``, recordings are read until one identifies the pose estimator.

    Raises:
        UserError: ``auto``, and no recording identifies an estimator.
    """
    if isinstance(layout, Layout):
        return layout, "of the network", parsed.recordings
    if str(layout) != AUTO:
        return load_layout(layout), str(layout), parsed.recordings
    if parsed.layout is not None:
        return parsed.layout, "of the source", parsed.recordings
    recordings: Iterator[Recording] = iter(parsed.recordings)
    read: list[Recording] = []
    for recording in recordings:
        read.append(recording)
        estimator = recording.estimator or (None if recording.other_points else _by_shape(recording))
        if estimator is not None and len(recording.points):
            return load_layout(estimator.layout), estimator.layout, chain(read, recordings)
    counts = sorted({recording.points.shape[1] for recording in read if len(recording.points)})
    found = f"people have {', '.join(map(str, counts))} points" if counts else "nobody is in any recording"
    raise UserError(f"--layout auto: {found}, which identifies no pose estimator; name the layout (see mmn layouts).")


def _by_shape(recording: Recording) -> Estimator | None:
    _, count, coordinates = recording.points.shape
    if count == NTU25.size:
        return NTU25 if coordinates == 3 else OPENPOSE25_BODY
    if (count, coordinates) == (COCO17.size, 3):
        return None  # in 3D, 17 points are rather those of Human3.6M
    return BY_COUNT.get(count)
