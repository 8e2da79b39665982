"""Scores of all folds as one: every training clip scored once, by a network that has not seen it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmn.errors import UserError
from mmn.evaluation.scores import Scores


def pooled(folds: Sequence[Scores]) -> Scores:
    """The clips of several folds, one fold after the other.

    Args:
        folds: out-of-fold scores of one setting and seed.

    Raises:
        UserError: folds of other classes, or with a clip in two of them.
    """
    first = folds[0]
    names = [name for fold in folds for name in fold.names]
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise UserError(f"clip {twice} is in two folds; give the runs of one data.folds and data.fold_seed.")
    for fold in folds:
        if fold.classes.names != first.classes.names:
            raise UserError("the folds recognise different classes; give the runs of one view of one file.")
    grouped = all(fold.groups is not None for fold in folds)
    return replace(
        first,
        names=names,
        labels=np.concatenate([fold.labels for fold in folds]),
        logits=np.concatenate([fold.logits for fold in folds]),
        groups=[group for fold in folds for group in fold.groups or ()] if grouped else None,
        source=replace(
            first.source,
            checkpoints=tuple(path for fold in folds for path in fold.source.checkpoints),
            view=replace(first.source.view, folds=None, fold=None),
        ),
    )
