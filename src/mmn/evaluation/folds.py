"""Scores of different clips combined: out-of-fold scores of all folds, or scores of several files."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.predictions import chosen
from mmn.evaluation.record import of_folds
from mmn.evaluation.scores import Scores

log = logging.getLogger(__name__)


def pooled(folds: Sequence[Scores]) -> Scores:
    """Concatenate the scores of several folds.

    Args:
        folds: out-of-fold scores of one setting and seed.

    Raises:
        UserError: the folds have different classes, or a clip is in two folds.
    """
    first = folds[0]
    names = [name for fold in folds for name in fold.names]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        where = [path for fold in folds if twice in fold.names for path in fold.source.checkpoints[:1]]
        named = f" ({' and '.join(where[:2])})" if where else ""
        raise UserError(f"clip {twice} is in two folds{named}; give runs with the same data.folds and data.fold_seed.")
    for fold in folds:
        if fold.classes.names != first.classes.names:
            raise UserError("the folds have different classes; give runs on the same view of the same file.")
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
            record=of_folds({_place(fold.source.view): fold.source.record for fold in folds}),
        ),
    )


def _place(view: View) -> str:
    return f"fold {view.fold} of {view.folds}, fold_seed {view.fold_seed}"


def trainings(results: Sequence[Scores]) -> list[Scores]:
    """The scores of each training: results on the same clips are separate trainings, on other clips folds of one.

    For several trainings on folds, the first results of all folds are pooled, then the second ones, and so on.

    Raises:
        UserError: folds are missing or overlap, or some were trained more often than others.
    """
    folds: dict[frozenset[str], list[Scores]] = {}
    for result in results:
        folds.setdefault(frozenset(result.names), []).append(result)
    if len(folds) == 1:
        return list(results)
    wanted, counts = results[0].source.view.folds, [len(own) for own in folds.values()]
    if len(set(counts)) > 1 or wanted is None or (isinstance(wanted, int) and len(folds) < wanted):
        raise UserError(f"the results are for {len(folds)} different sets of clips, {', '.join(map(str, counts))} of "
                        "each; give results on the same clips, or the same number for every fold.")  # fmt: skip
    return [pooled(parts) for parts in zip(*folds.values(), strict=True)]


def of_files(parts: Mapping[str, Scores]) -> Scores:
    """The clips of several files, named ``file/name``, with groups ``file/group``; a single file unchanged.

    Raises:
        UserError: the files have different classes.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    lacking = [file for file, scores in parts.items() if scores.groups is None]
    if 0 < len(lacking) < len(parts):
        log.info("groups (subjects, recordings) are left out, as %s has none", lacking[0])
    named = [
        replace(
            scores,
            names=[f"{file}/{name}" for name in scores.names],
            groups=None if scores.groups is None else [f"{file}/{group}" for group in scores.groups],
        )
        for file, scores in parts.items()
    ]
    data = {file: scores.source.record.get("data", "") for file, scores in parts.items()}
    record = {**named[0].source.record, "data": data}
    source = replace(named[0].source, data="", view=View(), record=record)
    return replace(pooled(named), source=source)


def parts_of(scores: Scores, files: Iterable[str]) -> dict[str, Scores]:
    """The parts that ``of_files`` joined, by file; empty for a single file."""
    names = list(files)
    if len(names) < 2:
        return {}
    of = [name.partition("/")[0] for name in scores.names]
    return {file: chosen(scores, np.array([i for i, own in enumerate(of) if own == file], np.int64)) for file in names}
