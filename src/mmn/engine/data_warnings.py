"""Warnings of data on which metrics would mislead."""

import logging

import numpy as np

from mmn.data.format.clips import UNKNOWN
from mmn.data.format.copies import find_copies, in_words
from mmn.data.format.skeletons import SkeletonData
from mmn.data.format.summary import shared_groups
from mmn.data.view.names import some
from mmn.text import counted

log = logging.getLogger(__name__)


def warn_of(data: SkeletonData) -> None:
    """Warn of groups and (in memory) clips that are in two splits, and of classes without a training clip."""
    if shared := shared_groups(data):
        name, splits = next(iter(shared.items()))
        others = f" and {counted(len(shared) - 1, 'other group')} are" if len(shared) > 1 else " is"
        text = "group %s%s in two splits (%s): metrics will be too optimistic; mmn inspect lists them."
        log.warning(text, name, others, ", ".join(splits))
    in_memory = all(isinstance(clips.keypoints, np.ndarray) for clips in data.splits.values())
    if copies := find_copies(data, shortened=False) if in_memory else []:
        log.warning("%s: metrics will be too optimistic; mmn inspect lists them.", in_words(copies))
    trained = set(data.splits["train"].labels.tolist())
    for split in ("val", "test"):
        labels = data.splits[split].labels.tolist() if split in data.splits else []
        if unseen := sorted(set(labels) - trained - {UNKNOWN}):
            names = some([data.classes.names[label] for label in unseen])
            log.warning("classes with clips in %s but none in training: %s", split, names)
