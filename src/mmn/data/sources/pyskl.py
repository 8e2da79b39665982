"""Reader of PYSKL and MMAction2 annotation pickles: ``{"split": {name: [clip, …]}, "annotations": [{…}, …]}``.

An annotation has ``frame_dir`` (the clip), ``label``, ``keypoint (persons, frames, joints, coordinates)`` and, in 2D,
``keypoint_score (persons, frames, joints)``. Scores choose the person and tell which joints are missing; they are not
kept. Without scores a person counts by the frames they are in; a person who is all zero in a frame is not in it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.skeletons import SPLITS
from mmn.data.sources.people import left_out
from mmn.data.sources.pickles import read_pickle
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError


def read(source: Path, request: Request) -> Source:
    """The clips of each split; clips in no split are left out."""
    content = read_pickle(source)
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise UserError(f"{source} has no annotations; it is not a PYSKL pickle.")
    clips, others = {}, 0
    for number, annotation in enumerate(content["annotations"]):
        name, array, label, more = _annotation(annotation, f"{source}: annotation {number}", request.min_score)
        clips[name] = array, label
        others += more
    splits = {}
    for split, names in _splits(content.get("split"), request.splits, source).items():
        if absent := [name for name in names if name not in clips]:
            raise UserError(f"{source}: {absent[0]} is in split {split} and not among the annotations.")
        splits[split] = Clips.from_arrays([clips[n][0] for n in names], [clips[n][1] for n in names], names)
    return Source("PYSKL annotations", splits, left_out(others))


def _annotation(annotation: Any, where: str, min_score: float) -> tuple[str, NDArray[np.float32], int, int]:
    """Name, clip ``(T, V, C)``, label, and the number of other people."""
    try:
        name, label = str(annotation["frame_dir"]), int(annotation["label"])
        keypoints = np.asarray(annotation["keypoint"], np.float32)
        scores = annotation.get("keypoint_score")
        scores = None if scores is None else np.asarray(scores, np.float32)
    except (TypeError, KeyError, ValueError, AttributeError):
        raise UserError(f"{where} lacks frame_dir, label or keypoint; it is not a PYSKL annotation.") from None
    if keypoints.ndim != 4 or not len(keypoints) or (scores is not None and scores.shape != keypoints.shape[:3]):
        raise UserError(
            f"{where} ({name}) has keypoint {keypoints.shape} and keypoint_score {getattr(scores, 'shape', None)}; "
            "they are (persons, frames, joints, coordinates) and (persons, frames, joints)."
        )
    present = (keypoints != 0).any(axis=(2, 3))  # (M, T)
    best = int(np.argmax(present.sum(axis=1) if scores is None else scores.mean(axis=(1, 2))))
    seen = present[best][:, None] if scores is None else scores[best] > min_score
    clip = np.where(np.broadcast_to(seen, keypoints.shape[1:3])[:, :, None], keypoints[best], np.nan)
    return name, clip.astype(np.float32), label, int(present.any(axis=1).sum()) - int(present[best].any())


def _splits(content: Any, wanted: dict[str, str], source: Path) -> dict[str, list[str]]:
    """Our splits, by the names asked for, or by their own where those are ours or end in ours unambiguously."""
    if not isinstance(content, dict):
        raise UserError(f"{source} has no table of splits; it is not a PYSKL pickle.")
    if not wanted:
        ending = {split: [name for name in content if str(name).endswith(split)] for split in SPLITS}
        ending |= {split: [split] for split in SPLITS if split in content}
        wanted = {split: names[0] for split, names in ending.items() if names}
        if not wanted or any(len(names) > 1 for names in ending.values()):
            raise UserError(
                f"{source} has the splits {', '.join(map(str, content))}; say which are which, as in "
                "--splits train=xsub_train,val=xsub_val."
            )
    for split, name in wanted.items():
        if name not in content:
            raise UserError(f"{source} has no split {name} for {split}; it has {', '.join(map(str, content))}.")
    return {split: [str(name) for name in content[wanted[split]]] for split in SPLITS if split in wanted}
