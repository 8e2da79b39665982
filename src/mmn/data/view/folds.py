"""Cross-validation folds of the training clips."""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.selection import take
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError

GROUPS = "groups"
"""Value of ``folds`` for one fold per group, such as a subject."""


def hold_out(data: SkeletonData, folds: int | str, fold: int | str, seed: int) -> SkeletonData:
    """Hold out one fold of the training clips as the val split; test is unchanged.

    Args:
        data: a checked data set with a train split.
        folds: number of folds, or ``"groups"``.
        fold: the fold to hold out, from 0; for groups, a name, or an index into their sorted names if none of these is
            itself a number.
        seed: seed of the assignment.

    Raises:
        UserError: the clips cannot be divided into these folds, or the fold does not exist.
    """
    clips = data.splits["train"]
    place, names = fold_of_clips(clips, folds, seed)
    if folds == GROUPS and any(name.isdecimal() for name in names):
        held_out, known = names.index(str(fold)) if str(fold) in names else None, f"one of the groups {_some(names)}"
    else:
        held_out, known = _index(fold, names), f"0 to {len(names) - 1}"
        known += f", or one of the groups {_some(names)}" if folds == GROUPS else ""
    if held_out is None:
        raise UserError(f"data.fold is {fold}; with data.folds={folds}, use {known}.")
    splits = {
        "train": take(clips, np.flatnonzero(place != held_out)),
        "val": take(clips, np.flatnonzero(place == held_out)),
        **{split: other for split, other in data.splits.items() if split not in ("train", "val")},
    }
    return replace(data, splits=splits)


def fold_of_clips(clips: Clips, folds: int | str, seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """The fold of each clip ``(N,)`` and the folds' names.

    No group is in two folds, and folds are stratified by class as far as groups allow.

    Raises:
        UserError: too few clips or groups for the number of folds, or ``"groups"`` without groups.
    """
    if folds == GROUPS:
        if clips.groups is None:
            raise UserError("data.folds=groups needs the group of each clip, but the file has none; give a number.")
        names = sorted(set(clips.groups))
        if len(names) < 2:
            raise UserError(
                f"data.folds=groups needs two groups, but all training clips are in {names[0]}; give a number."
            )
        return np.array([names.index(group) for group in clips.groups], np.int64), names
    if not isinstance(folds, int) or isinstance(folds, bool) or folds < 2:
        raise UserError(f"data.folds is {folds}; use a number of at least 2, or groups for one fold per group.")
    counts = {"clips of its largest class": int(np.bincount(clips.labels[clips.labelled], minlength=1).max())}
    if clips.groups is not None:
        counts["groups"] = len(set(clips.groups))
    for what, count in counts.items():
        if count < folds:
            raise UserError(f"data.folds={folds} is more than the {count} {what} in training; take fewer folds.")
    return _stratified(clips, folds, seed), [str(fold) for fold in range(folds)]


def _stratified(clips: Clips, folds: int, seed: int) -> NDArray[np.int64]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # slow to import, rarely needed

    splitter = StratifiedKFold if clips.groups is None else StratifiedGroupKFold
    place = np.empty(len(clips), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about classes with fewer clips than folds
        parts = splitter(folds, shuffle=True, random_state=seed).split(place, clips.labels, clips.groups)
        for fold, (_, chosen) in enumerate(parts):
            place[chosen] = fold
    for fold in sorted(set(range(folds)) - set(place.tolist())):
        _fill(place, fold, np.asarray(clips.groups))
    return place


def _fill(place: NDArray[np.int64], empty: int, groups: NDArray[np.str_]) -> None:
    """Move the smallest group of the largest fold of several groups into an empty fold, in place."""
    several = [fold for fold in np.unique(place) if len(np.unique(groups[place == fold])) > 1]
    donor = max(several, key=lambda fold: (place == fold).sum())
    names, counts = np.unique(groups[place == donor], return_counts=True)
    place[groups == names[counts.argmin()]] = empty


def _index(fold: int | str, names: list[str]) -> int | None:
    if isinstance(fold, int):
        return fold if not isinstance(fold, bool) and 0 <= fold < len(names) else None
    return names.index(fold) if fold in names else None


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
