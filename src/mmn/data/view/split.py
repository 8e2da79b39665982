"""New random splits of all clips, grouped and stratified."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.selection import join, take
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError


def split_clips(data: SkeletonData, by: str, test: float, val: float, seed: int) -> SkeletonData:
    """Divide all clips of a data set into new train, val and test splits.

    Args:
        data: data set with any splits, which are pooled.
        by: ``group`` keeps the clips of a group together; ``clip`` assigns every clip independently.
        test: share of the test split; 0 for none.
        val: share of the val split.
        seed: seed of the assignment.

    Raises:
        UserError: the shares leave nothing to train on, or there are no groups or too few of them.
    """
    if by not in ("group", "clip"):
        raise UserError(f"--by is {by}; use group or clip.")
    shares = {"train": 1 - test - val, "val": val, "test": test}
    if not (min(test, val) >= 0 and test + val > 0 and shares["train"] >= 1e-9):
        raise UserError(f"--test is {test:g} and --val {val:g}; use shares of at least 0 whose sum is below 1.")
    if seed < 0:
        raise UserError(f"--seed is {seed}; use a whole number of at least 0.")
    clips = join(data.splits)
    if by == "group" and clips.groups is None:
        raise UserError("--by group needs the group of each clip, but the file has none; use --by clip.")
    units = clips.groups if by == "group" and clips.groups else clips.names
    names, unit = np.unique(units, return_inverse=True)
    counts = np.zeros((len(names), len(data.classes.names) + 1), np.int64)  # last column: unknown class
    np.add.at(counts, (unit, clips.labels), 1)
    wanted = {split: share for split, share in shares.items() if share > 0}
    place = _shared_out(counts, list(wanted.values()), seed)[unit]
    splits = {split: np.flatnonzero(place == number) for number, split in enumerate(wanted)}
    if empty := [split for split, chosen in splits.items() if len(chosen) == 0]:
        raise UserError(
            f"{len(names)} {by}s are too few for a {empty[0]} split of {shares[empty[0]]:g}; give a larger share."
        )
    return replace(data, splits={split: take(clips, chosen) for split, chosen in splits.items()})


def _shared_out(counts: NDArray[np.int64], shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """The split of each unit ``(U,)``, as close as possible to each split's share of every class.

    Greedy: in decreasing order of size, ties broken at random, each unit goes to the split that needs its classes most.

    Args:
        counts: clips of each class in each unit ``(U, K)``.
        shares: share of each split; they sum to 1.
        seed: seed for breaking ties.
    """
    total = counts.sum(axis=0)
    wanted = np.outer(shares, total).astype(np.float64)  # (S, K), clips that each split still needs
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    place = np.empty(len(counts), np.int64)
    weight = 1 / (np.maximum(total, 1) * np.asarray(shares)[:, None])  # of a clip, relative to its split's target
    for unit in order:
        gain = ((2 * wanted * counts[unit] - counts[unit] ** 2) * weight).sum(axis=1)
        place[unit] = int(gain.argmax())
        wanted[place[unit]] -= counts[unit]
    return place
