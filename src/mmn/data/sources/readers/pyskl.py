"""Reader of PYSKL and MMAction2 annotation pickles: ``{"split": {name: [clip, …]}, "annotations": [{…}, …]}``.

An annotation has ``frame_dir`` (the clip), ``keypoint (persons, frames, joints, coordinates)``, in 2D
``keypoint_score (persons, frames, joints)``, ``total_frames``, and ``label``, unless it is unknown. MMAction2's older
format is just the list of annotations, one file per split.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmn.data.format.skeletons import SPLITS
from mmn.data.sources.channels import split_channels
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.readers.files import files_below
from mmn.data.sources.readers.pickles import name_of, read_pickle
from mmn.data.sources.recording import Recording
from mmn.errors import UserError


def read(source: Path, options: ConvertOptions) -> Parsed:
    """The clips of each split of a pickle, or of a folder of pickles; clips in no split are left out."""
    paths = files_below(source, "*.pkl") + files_below(source, "*.pickle") if source.is_dir() else [source]
    if not paths:
        raise UserError(f"{source} contains no pickles; PYSKL has one pickle, or one per split.")
    recordings: list[Recording] = []
    notes: list[str] = []
    for path in paths:
        found, unlisted = _read(path, options, alone=len(paths) == 1)
        recordings += found
        if unlisted:
            notes.append(f"{unlisted} annotation{'s' * (unlisted > 1)} of {path.name} in no split left out")
    return Parsed("PYSKL annotations", recordings, notes=notes)


def _read(path: Path, options: ConvertOptions, alone: bool) -> tuple[list[Recording], int]:
    """Recordings in the order of their splits, and the number of annotations in no split."""
    content = read_pickle(path)
    if isinstance(content, list):  # MMAction2's older format: the file's name gives the split
        split = next((split for split in SPLITS if split in path.stem.lower()), path.stem)
        listed = [name_of(a.get("frame_dir"), path) for a in content if isinstance(a, dict)]
        content = {"split": {split: listed}, "annotations": content}
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise UserError(f"{path} has no annotations, so it is not a PYSKL pickle; check --format.")
    annotations = list(_annotations(content["annotations"], path, options))
    twice = [name for name, count in Counter(a.name for a in annotations).items() if count > 1]
    if twice:
        raise UserError(
            f"{path}: the name {twice[0]} belongs to more than one annotation ({len(twice)} such names); names must be "
            "unique."
        )
    if options.poses_only:
        return annotations, 0
    splits = _splits(content.get("split"), options.splits, path, alone)
    by_name = {annotation.name: annotation for annotation in annotations}
    recordings = []
    for split, names in splits.items():
        if absent := [name for name in names if name not in by_name]:
            raise UserError(f"{path}: {absent[0]} is in split {split} but not among the annotations; add or remove it.")
        recordings += [replace(by_name[name], split=split) for name in names]
    return recordings, len(set(by_name) - {name for names in splits.values() for name in names})


def _annotations(annotations: list[Any], path: Path, options: ConvertOptions) -> Iterator[Recording]:
    for number, annotation in enumerate(annotations):
        where = f"{path}: annotation {number}"
        if not isinstance(annotation, dict) or (lacking := {"frame_dir", "keypoint"} - set(annotation)):
            what = " and ".join(sorted(lacking)) if isinstance(annotation, dict) else "all"
            raise UserError(f"{where} lacks {what}, so it is not a PYSKL annotation; check --format.")
        name = name_of(annotation["frame_dir"], where)
        where = f"{where} ({name})"
        label = None if options.poses_only else _label(annotation.get("label"), where)
        keypoints, scores = _array(annotation, "keypoint", where), _array(annotation, "keypoint_score", where)
        if keypoints is None or keypoints.ndim != 4 or (scores is not None and scores.shape != keypoints.shape[:3]):
            raise UserError(
                f"{where} has keypoint {getattr(keypoints, 'shape', None)} and keypoint_score "
                f"{getattr(scores, 'shape', None)}; expected (persons, frames, joints, coordinates) and (persons, "
                "frames, joints)."
            )
        if scores is None:
            keypoints, scores = split_channels(keypoints, options.channels, where)
        total = annotation.get("total_frames")
        yield Recording.from_array(
            name, keypoints, scores, label=label, total=int(total) if isinstance(total, int | np.integer) else None
        )


def _array(annotation: dict[str, Any], key: str, where: str) -> np.ndarray | None:
    value = annotation.get(key)
    if value is None:
        return None
    try:
        return np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{where} has a {key} that is not a numeric array; each person needs all frames.") from None


def _label(value: Any, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iu":
        return int(value)
    what = f"an array of {value.size}" if isinstance(value, np.ndarray) else f"{type(value).__name__} {value!r}"
    raise UserError(f"{where}: its label is {what}; expected a class index.")


def _splits(content: Any, wanted: dict[str, str], source: Path, alone: bool) -> dict[str, list[str]]:
    """Clip names per split, chosen by ``wanted``, or by names that are or unambiguously end in ours."""
    if not isinstance(content, dict):
        raise UserError(f"{source} has no table of splits, so it is not a PYSKL pickle; check --format.")
    has = ", ".join(name_of(name, source) for name in content)
    if not wanted:
        ending = {split: [name for name in content if str(name).endswith(split)] for split in SPLITS}
        ending |= {split: [split] for split in SPLITS if split in content}
        wanted = {split: names[0] for split, names in ending.items() if names}
        if not wanted or any(len(names) > 1 for names in ending.values()):
            raise UserError(
                f"{source} has the splits {has}; assign them, as in --splits train={next(iter(content), 'x')}."
            )
    elif not alone:  # of several files each has its own splits
        wanted = {split: name for split, name in wanted.items() if name in content}
    for split, name in wanted.items():
        if name not in content:
            raise UserError(f"{source} has no split {name} for {split}; it has {has}.")
    return {split: [name_of(name, source) for name in content[wanted[split]]] for split in SPLITS if split in wanted}
