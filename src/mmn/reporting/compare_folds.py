"""Cross-validation as a table: the pooled out-of-fold scores of each setting and seed, with intervals."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.evaluation.folds import pooled
from mmn.evaluation.intervals import intervals
from mmn.evaluation.paired import paired
from mmn.evaluation.predictions import labelled
from mmn.evaluation.scores import Scores, compute_metrics
from mmn.reporting.runs import Run, find_runs, names_of


@dataclass(frozen=True)
class FoldRow:
    """One setting with its folds pooled.

    Attributes:
        name: what differs from the other settings.
        folds: number of folds.
        scores: pooled scores of all clips, by seed.
    """

    name: str
    folds: int
    scores: dict[int, Scores]


@dataclass(frozen=True)
class FoldComparison:
    """Result of ``compare_folds``.

    Attributes:
        metric: its name.
        rows: one per setting.
        notes: what was left out.
        against: by setting, its lead over the other folder's in points, with a 95 % interval over clips and, for
            several seeds, over seeds.
    """

    metric: str
    rows: list[FoldRow]
    notes: list[str]
    against: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = {
            row.name: {"folds": row.folds, "clips": len(next(iter(row.scores.values())).names),
                       "seeds": {str(seed): compute_metrics(one)[self.metric] for seed, one in row.scores.items()},
                       "interval_95": self._interval(row)}
            for row in self.rows
        }  # fmt: skip
        return {"metric": self.metric, "pooled": rows, "against": self.against, "notes": self.notes}

    def markdown(self) -> str:
        """The table as Markdown."""
        header = ["", "folds", "clips", "seeds", "pooled", "95 %"] + (["against"] if self.against else [])
        lines = [f"{self.metric} of every training clip, out of fold", "", _line(header), _line(["---"] * len(header))]
        for row in self.rows:
            values = [compute_metrics(scores)[self.metric] for scores in row.scores.values()]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            low, high = self._interval(row)
            cells = [row.name, str(row.folds), str(len(next(iter(row.scores.values())).names)), str(len(values))]
            cells += [f"{statistics.mean(values):.2f}{spread}", f"{low:.2f} … {high:.2f}"]
            if row.name in self.against:
                points, low, high = self.against[row.name]
                cells.append(f"{points:+.2f} ({low:+.2f} … {high:+.2f})")
            lines.append(_line(cells))
        lines += ["", "Each fold's best epoch was selected on the fold itself, so the scores are slightly optimistic."]
        return "\n".join([*lines, *self.notes]) + "\n"

    def _interval(self, row: FoldRow) -> list[float]:
        """The first seed's interval over clips, or over the groups they come from."""
        first = labelled(next(iter(row.scores.values())))
        found = intervals(first)
        return found.get(self.metric, [float("nan")] * 2)


def of_folds(folder: Path) -> bool:
    """Whether any run below ``folder`` trained on folds."""
    return any(run.fold[0] is not None for run in find_runs(folder))


def compare_folds(folder: Path, metric: str = "top1", against: Path | None = None) -> FoldComparison:
    """Pool the folds of each setting and seed below ``folder`` and compare them with another folder's.

    Settings are matched to the other folder's by name, or all to its only one. A setting with missing folds
    is left out and named.

    Raises:
        UserError: no finished runs, no complete setting, or an unknown metric.
    """
    rows, notes = _rows(folder)
    if metric not in compute_metrics(next(iter(rows[0].scores.values()))):
        raise UserError(
            f"there is no metric {metric}; there are {', '.join(compute_metrics(next(iter(rows[0].scores.values()))))}."
        )
    differences: dict[str, list[float]] = {}
    if against is not None:
        others, more = _rows(against)
        notes += more
        by_name = {row.name: row for row in others}
        for row in rows:
            other = others[0] if len(others) == 1 else by_name.get(row.name)
            if other is None:
                notes.append(f"{row.name}: {against} has no such setting.")
                continue
            found = paired(list(row.scores.values()), list(other.scores.values()))["differences"]
            if metric in found:
                differences[row.name] = [found[metric].points, found[metric].low, found[metric].high]
    return FoldComparison(metric, rows, notes, differences)


def _rows(folder: Path) -> tuple[list[FoldRow], list[str]]:
    runs = find_runs(folder)
    names = names_of([replace(run, overrides=_without_fold(run)) for run in runs])
    settings: dict[str, dict[int, list[Run]]] = {}
    for run, name in zip(runs, names, strict=True):
        settings.setdefault(name, {}).setdefault(run.seed, []).append(run)
    rows, notes = [], []
    for name, seeds in settings.items():
        found: dict[int, Scores] = {}
        for seed, parts in sorted(seeds.items()):
            if missing := _missing(parts):
                notes.append(f"{name}, seed {seed}, is left out: {missing}.")
                continue
            found[seed] = pooled([scores for run in parts if (scores := run.scores("val")) is not None])
        if found:
            rows.append(FoldRow(name, len(next(iter(seeds.values()))), found))
    if not rows:
        raise UserError(f"no setting in {folder} has scores of all its folds: {notes[0]}")
    return rows, notes


def _missing(runs: Sequence[Run]) -> str:
    """What these runs lack to be all folds of one setting; empty if complete."""
    if lost := next((run.folder for run in runs if run.scores("val") is None), None):
        return f"{lost} has no scores_val.h5"
    folds = [run.fold for run in runs]
    count = folds[0][0]
    if isinstance(count, int):
        lacking = [str(fold) for fold in range(count) if fold not in [place for _, place in folds]]
        return f"fold {', '.join(lacking)} of {count} is missing" if lacking else ""
    return ""


def _without_fold(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.overrides.items() if key != "data.fold"}


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
