"""Folds of the training clips: each is once what the others are judged on."""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.selection import take
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError

GROUPS = "groups"
"""In place of a number of folds: each group, such as a subject, is a fold."""


def hold_out(data: SkeletonData, folds: int | str, fold: int | str, seed: int) -> SkeletonData:
    """Train on all folds of the training clips but one, which becomes the val split; test stays.

    Args:
        data: a checked data set with a train split.
        folds: how many, or ``"groups"``.
        fold: which to hold out, counted from 0; of groups, by their sorted names or by name.
        seed: of what is drawn into which fold.

    Raises:
        UserError: folds that these clips cannot be divided into, or no such fold.
    """
    clips = data.splits["train"]
    place, names = fold_of_clips(clips, folds, seed)
    if isinstance(fold, str) and fold in names:
        fold = names.index(fold)
    if not isinstance(fold, int) or isinstance(fold, bool) or not 0 <= fold < len(names):
        what = f"0 to {len(names) - 1}" + (f", or one of the groups {_some(names)}" if folds == GROUPS else "")
        raise UserError(f"data.fold is {fold}; with data.folds={folds} it is {what}.")
    splits = {
        "train": take(clips, np.flatnonzero(place != fold)),
        "val": take(clips, np.flatnonzero(place == fold)),
        **{split: other for split, other in data.splits.items() if split not in ("train", "val")},
    }
    return replace(data, splits=splits)


def fold_of_clips(clips: Clips, folds: int | str, seed: int) -> tuple[NDArray[np.int64], list[str]]:
    """The fold of each clip ``(N,)`` and the folds' names.

    No group is in two folds, and each fold has, as far as its groups allow, the classes in equal shares.

    Raises:
        UserError: too few clips or groups for so many folds, or no groups where they are asked for.
    """
    if folds == GROUPS:
        if clips.groups is None:
            raise UserError("data.folds=groups needs the group of each clip, and the file has none; give a number.")
        names = sorted(set(clips.groups))
        if len(names) < 2:
            raise UserError(f"data.folds=groups needs two groups, and all training clips are of {names[0]}.")
        return np.array([names.index(group) for group in clips.groups], np.int64), names
    if not isinstance(folds, int) or isinstance(folds, bool) or folds < 2:
        raise UserError(f"data.folds is {folds}; it is a number of at least 2, or groups for a fold a group.")
    counts = {"clips of its largest class": int(np.bincount(clips.labels[clips.labelled], minlength=1).max())}
    if clips.groups is not None:
        counts["groups"] = len(set(clips.groups))
    for what, count in counts.items():
        if count < folds:
            raise UserError(f"data.folds={folds} is more than the {count} {what} in training; take fewer folds.")
    return _stratified(clips, folds, seed), [str(fold) for fold in range(folds)]


def _stratified(clips: Clips, folds: int, seed: int) -> NDArray[np.int64]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # slow to import, and seldom needed

    splitter = StratifiedKFold if clips.groups is None else StratifiedGroupKFold
    place = np.empty(len(clips), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer clips than there are folds
        parts = splitter(folds, shuffle=True, random_state=seed).split(place, clips.labels, clips.groups)
        for fold, (_, chosen) in enumerate(parts):
            place[chosen] = fold
    return place


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
