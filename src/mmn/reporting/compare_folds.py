"""Cross-validation as a table: the pooled out-of-fold scores of each setting and seed, with intervals."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmn.errors import UserError
from mmn.evaluation.folds import pooled
from mmn.evaluation.intervals import intervals
from mmn.evaluation.paired import paired
from mmn.evaluation.predictions import labelled
from mmn.evaluation.scores import Scores, compute_metrics
from mmn.reporting.runs import Run, find_runs, names_of
from mmn.reporting.text_tables import latex_table, markdown_table

SELECTION = "Each fold's best epoch was selected on the fold itself, so the scores are slightly optimistic."


@dataclass(frozen=True)
class FoldRow:
    """One setting with its folds pooled.

    Attributes:
        name: what differs from the other settings.
        folds: number of folds.
        selected_on: what selected each fold's epoch.
        scores: pooled scores of all clips, by seed.
        last_epoch: each metric of the last epoch, the mean over clips and seeds; empty if a run lacks it.
    """

    name: str
    folds: int
    selected_on: str
    scores: dict[int, Scores]
    last_epoch: dict[str, float]


@dataclass(frozen=True)
class FoldComparison:
    """Result of ``compare_folds``.

    Attributes:
        metric: its name.
        rows: one per setting.
        notes: settings and seeds that were left out, one sentence each.
        baseline: what settings are compared with: another folder, or the first setting of this one.
        against: setting → its lead in points over the baseline, with a 95 % interval over clips and, for several seeds,
            over seeds.
    """

    metric: str
    rows: list[FoldRow]
    notes: list[str]
    baseline: str
    against: dict[str, list[float]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = {
            row.name: {"folds": row.folds, "clips": len(next(iter(row.scores.values())).names),
                       "seeds": {str(seed): compute_metrics(one)[self.metric] for seed, one in row.scores.items()},
                       "interval_95": self._interval(row), "last_epoch": row.last_epoch.get(self.metric)}
            for row in self.rows
        }  # fmt: skip
        leads = {"baseline": self.baseline, "against": self.against}
        return {"metric": self.metric, "pooled": rows, **leads, "notes": self.notes}

    def frame(self) -> pd.DataFrame:
        """One row per setting: folds, clips, seeds, pooled metric with its interval, last epoch, and lead."""
        records = []
        for row in self.rows:
            values = [compute_metrics(scores)[self.metric] for scores in row.scores.values()]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            low, high = self._interval(row)
            record = {
                "setting": row.name, "folds": row.folds, "clips": len(next(iter(row.scores.values())).names),
                "seeds": len(values), "pooled": f"{statistics.mean(values):.2f}{spread}",
                "95 %": f"{low:.2f} … {high:.2f}",
                "last epoch": f"{row.last_epoch[self.metric]:.2f}" if self.metric in row.last_epoch else "",
            }  # fmt: skip
            if self.against:
                lead = self.against.get(row.name)
                record[f"against {self.baseline}"] = f"{lead[0]:+.2f} ({lead[1]:+.2f} … {lead[2]:+.2f})" if lead else ""
            records.append(record)
        return pd.DataFrame(records)

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [self._about(), "", *markdown_table(self.frame()), "", SELECTION, *self.notes]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """The table as LaTeX."""
        return f"% {self._about()}. {SELECTION}\n{latex_table(self.frame())}"

    def csv(self) -> str:
        """One line per setting and seed: folds, clips, number of seeds, selection, seed and metric."""
        records = [
            {"setting": row.name, "folds": row.folds, "clips": len(scores.names), "n": len(row.scores),
             "selected_on": row.selected_on, "seed": seed, self.metric: compute_metrics(scores)[self.metric]}
            for row in self.rows
            for seed, scores in row.scores.items()
        ]  # fmt: skip
        return pd.DataFrame(records).to_csv(index=False)

    def _about(self) -> str:
        return f"{self.metric} of the training clips, out of fold"

    def _interval(self, row: FoldRow) -> list[float]:
        """The first seed's interval over clips, or over the groups they come from."""
        first = labelled(next(iter(row.scores.values())))
        found = intervals(first)
        return found.get(self.metric, [float("nan")] * 2)


def of_folds(folder: Path) -> bool:
    """Whether any run below ``folder`` trained on folds."""
    return any(run.fold[0] is not None for run in find_runs(folder))


def compare_folds(folder: Path, metric: str = "top1", against: Path | None = None) -> FoldComparison:
    """Pool the folds of each setting and seed below ``folder`` and compare them clip by clip.

    Settings are compared with the other folder's of the same name, or all with its only one; without another folder,
    with the first setting. A setting with missing folds is left out and named; if none is complete, all are compared on
    the folds that each of them has.

    Raises:
        UserError: no finished runs, no complete setting, or an unknown metric.
    """
    rows, notes = _rows(folder)
    if metric not in compute_metrics(next(iter(rows[0].scores.values()))):
        raise UserError(
            f"unknown metric {metric}; choose one of {', '.join(compute_metrics(next(iter(rows[0].scores.values()))))}."
        )
    differences: dict[str, list[float]] = {}
    others, more = _rows(against) if against is not None else (rows[:1], [])
    by_name = {row.name: row for row in others}
    for row in rows:
        other = others[0] if len(others) == 1 else by_name.get(row.name)
        if other is None:
            more.append(f"{row.name}: {against} has no such setting.")
        elif other is not row:
            found = paired(list(row.scores.values()), list(other.scores.values()))["differences"]
            if metric in found:
                differences[row.name] = [found[metric].points, found[metric].low, found[metric].high]
    return FoldComparison(metric, rows, [*notes, *more], str(against or rows[0].name), differences)


def _rows(folder: Path) -> tuple[list[FoldRow], list[str]]:
    runs = find_runs(folder)
    names = names_of([replace(run, overrides=_without_fold(run)) for run in runs])
    settings: dict[str, dict[int, list[Run]]] = {}
    for run, name in zip(runs, names, strict=True):
        settings.setdefault(name, {}).setdefault(run.seed, []).append(run)
    missing = {(name, seed): _missing(parts) for name, seeds in settings.items() for seed, parts in seeds.items()}
    common = _common_folds(runs, settings) if all(missing.values()) else None
    rows, notes = [], []
    for name, seeds in settings.items():
        kept: dict[int, list[Run]] = {}
        for seed, parts in sorted(seeds.items()):
            if common is not None:
                kept[seed] = [run for run in parts if run.fold[1] in common]
            elif missing[name, seed]:
                notes.append(f"{name}, seed {seed}, is left out: {missing[name, seed]}.")
            else:
                kept[seed] = parts
        if kept:
            found = {
                seed: pooled([scores for run in parts if (scores := run.scores("val")) is not None])
                for seed, parts in kept.items()
            }
            first = next(iter(kept.values()))
            last = _last_epoch([run for parts in kept.values() for run in parts])
            rows.append(FoldRow(name, len(first), str(first[0].about.get("selected_on") or ""), found, last))
    if not rows:
        raise UserError(f"no setting in {folder} has scores of all its folds: {notes[0]}")
    if common is not None:
        folds = ", ".join(str(fold) for fold in sorted(common))
        notes.append(f"Only on the clips of fold {folds} of {runs[0].fold[0]}: no setting has all folds.")
    return rows, notes


def _common_folds(runs: Sequence[Run], settings: dict[str, dict[int, list[Run]]]) -> set[int] | None:
    """The folds that every setting and seed has scores of; None if there is none, or folds differ in number."""
    if len({run.fold[0] for run in runs}) > 1:
        return None
    scored = [
        {run.fold[1] for run in parts if run.scores("val") is not None}
        for seeds in settings.values()
        for parts in seeds.values()
    ]
    return set.intersection(*scored) or None


def _last_epoch(runs: Sequence[Run]) -> dict[str, float]:
    """The mean over clips of each metric of the runs' last epochs on their folds; empty if a run lacks it."""
    found = [run.last_epoch("val") for run in runs]
    if not all(found):
        return {}
    table = pd.DataFrame(found)
    return {str(name): float(np.average(table[name], weights=table["clips"])) for name in table.columns}


def _missing(runs: Sequence[Run]) -> str:
    """What is missing from the folds of one setting, in words; empty if they are complete."""
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
