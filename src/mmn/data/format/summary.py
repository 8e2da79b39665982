"""Summary statistics of a data set."""

from itertools import pairwise
from typing import Any

import numpy as np

from mmn.data.format.clips import Clips
from mmn.data.format.copies import contradictions, find_copies
from mmn.data.format.skeletons import SkeletonData


def summarise(data: SkeletonData) -> dict[str, Any]:
    """Plain numbers and names: the layout, splits, clips per class, and clips and groups shared between splits."""
    k = len(data.classes.names)
    counts = {split: np.bincount(c.labels[c.labelled], minlength=k) for split, c in data.splits.items()}
    groups, copies = data.classes.group_names, find_copies(data)
    return {
        "name": data.name,
        "source": data.source,
        "joints": data.layout.num_joints,
        "coordinates": data.coordinates,
        "parts": {part: len(joints) for part, joints in data.layout.parts.items()},
        "splits": {split: _summarise_split(clips, counts[split]) for split, clips in data.splits.items()},
        "classes": {
            name: {split: int(per_class[i]) for split, per_class in counts.items()}
            for i, name in enumerate(data.classes.names)
        },
        "groups": {
            group: {
                split: int(per_class[np.equal(data.classes.group_of_class, g)].sum())
                for split, per_class in counts.items()
            }
            for g, group in enumerate(groups)
        },
        "group_of_class": [groups[g] for g in data.classes.group_of_class],
        "filled": {
            split: filled for split, clips in data.splits.items() if (filled := _filled(clips, data.layout.joints))
        },
        "zeros": {split: zeros for split, clips in data.splits.items() if (zeros := _zeros(clips))},
        "clip_groups": {split: len(set(c.groups)) for split, c in data.splits.items() if c.groups is not None},
        "shared_groups": shared_groups(data),
        "duplicates": duplicates(data),
        "copies": [copy._asdict() for copy in copies],
        "contradictions": [copy._asdict() for copy in contradictions(data, copies)],
    }


def in_a_line(data: SkeletonData) -> str:
    """Size and origin in one line."""
    counts = ", ".join(f"{split} {len(clips)}" for split, clips in data.splits.items())
    return f"{data.layout.num_joints} joints, {len(data.classes.names)} classes; clips: {counts}; {data.source}"


def shared_groups(data: SkeletonData) -> dict[str, list[str]]:
    """Groups, such as subjects, with clips in more than one split (leakage), each with those splits."""
    splits: dict[str, list[str]] = {}
    for split, clips in data.splits.items():
        for name in sorted(set(clips.groups or ())):
            splits.setdefault(name, []).append(split)
    return {name: where for name, where in sorted(splits.items()) if len(where) > 1}


def duplicates(data: SkeletonData) -> list[list[str]]:
    """Pairs ``[split/name, split/name]`` of clips in different splits with equal keypoints (leakage)."""
    seen: dict[int, tuple[str, str]] = {}
    found = []
    for split, clips in data.splits.items():
        for name, keypoints in zip(clips.names, clips.hashes().tolist(), strict=True):
            other, other_name = seen.setdefault(keypoints, (split, name))
            if other != split:
                found.append([f"{other}/{other_name}", f"{split}/{name}"])
    return found


def _summarise_split(clips: Clips, counts: np.ndarray) -> dict[str, Any]:
    lengths = clips.lengths
    present = counts[counts > 0]
    return {
        "clips": len(clips),
        "labelled": int(clips.labelled.sum()),
        "frames": int(lengths.sum()),
        "frames_min": int(lengths.min()),
        "frames_median": float(np.median(lengths)),
        "frames_max": int(lengths.max()),
        "classes": len(present),
        "imbalance": float(present.max() / present.min()) if len(present) else None,
    }


def _zeros(clips: Clips) -> dict[str, int] | None:
    """The number of joints exactly at 0 in all coordinates, which many estimators write for "not found"."""
    counts = [int((clips.clip(i) == 0).all(axis=2).sum()) for i in range(len(clips))]
    return {"joints": sum(counts), "clips": sum(count > 0 for count in counts)} if any(counts) else None


def _filled(clips: Clips, joints: list[str]) -> dict[str, Any] | None:
    """Statistics of filled-in joints: number, by joint, by clip, and the ten clips with the largest shares."""
    if clips.filled is None:
        return None
    mask = np.asarray(clips.filled)
    by_joint = mask.sum(axis=0)
    frames = np.flatnonzero(mask.any(axis=1))
    shares = np.array([mask[a:b].mean() for a, b in pairwise(clips.offsets)])
    return {
        "joints": int(by_joint.sum()),
        "share": float(mask.mean()),
        "clips": len(np.unique(np.searchsorted(clips.offsets, frames, side="right"))),
        "most": {clips.names[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable")[:10] if shares[i]},
        "by_joint": {joints[i]: int(by_joint[i]) for i in np.argsort(-by_joint, kind="stable") if by_joint[i]},
    }
