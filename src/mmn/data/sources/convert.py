"""From the files people have to the one HDF5 file."""

from pathlib import Path

import numpy as np

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import write_data
from mmn.data.format.layout import Classes, load_classes, load_layout
from mmn.data.format.skeletons import SkeletonData, check_data
from mmn.data.sources.formats import READERS, recognise
from mmn.data.sources.missing import fill_missing
from mmn.data.sources.request import Request
from mmn.errors import UserError

MISSING = ("refuse", "interpolate")


def convert(
    source: str | Path,
    output: str | Path,
    layout: str | Path,
    *,
    format: str | None = None,
    labels: str | Path | None = None,
    classes: str | Path | None = None,
    missing: str = "refuse",
    min_score: float = 0.0,
    splits: dict[str, str] | None = None,
    name: str | None = None,
    origin: str | None = None,
) -> SkeletonData:
    """Convert any source to one HDF5 file.

    Args:
        source: a file or folder, as the format has it; see ``mmn.data.sources``.
        output: the file to write, whole or not at all.
        layout: ``ma52``, ``imigue``, ``jhmdb``, or a YAML file.
        format: ``mmn``, ``pyskl``, ``alphapose``, ``openpose``, ``wholebody`` or ``arrays``; None to recognise it.
        labels: CSV of ``name,label,split``, for pose estimators' files and arrays.
        classes: a text file with a class name a line, in place of those the layout brings.
        missing: what to do with missing joints: ``refuse``, or ``interpolate`` in time.
        min_score: joints that an estimator is no surer of than this are missing.
        splits: our split → its name in the source, for PYSKL.
        name: short name of the data set; the output's by default.
        origin: where the source came from, in words; its own name by default.

    Returns:
        What was written.

    Raises:
        UserError: anything in the source that training could not use, with its place; nothing is written.
    """
    if missing not in MISSING:
        raise UserError(f"there is no way {missing!r} to treat missing joints; choose {' or '.join(MISSING)}.")
    if format is not None and format not in READERS:
        raise UserError(f"there is no format {format!r}; choose one of {', '.join(READERS)}.")
    path = Path(source)
    request = Request(
        layout=load_layout(layout),
        classes=_classes(layout, classes),
        labels=None if labels is None else Path(labels),
        splits=splits or {},
        min_score=min_score,
    )
    found = READERS[format or recognise(path)](path, request)
    clips = found.splits
    if missing == "interpolate":
        clips = {split: fill_missing(c, request.layout, f"{source}, split {split}") for split, c in clips.items()}
    data = SkeletonData(
        name=name or Path(output).stem,
        source="; ".join([f"{found.kind} from {origin or path.name}", *found.notes, *_filled(clips)]),
        layout=request.layout,
        classes=request.classes,
        splits=clips,
    )
    check_data(data, str(source))
    write_data(output, data)
    return data


def _filled(splits: dict[str, Clips]) -> list[str]:
    """A note on missing joints, where there were any."""
    masks = [clips.filled for clips in splits.values() if clips.filled is not None]
    if not masks:
        return []
    filled = sum(int(np.asarray(mask).sum()) for mask in masks)
    return [f"{filled} missing joints were filled in by interpolation"]


def _classes(layout: str | Path, path: str | Path | None) -> Classes:
    if path is None:
        classes = load_classes(layout)
        if classes is None:
            raise UserError(
                f"the layout {layout} brings no class names; give --classes a text file with a name a line."
            )
        return classes
    try:
        names = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read; --classes takes a text file with a class name a line.") from None
    return Classes(names, [], [])
