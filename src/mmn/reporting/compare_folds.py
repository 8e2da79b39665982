"""Cross-validation as a table: the pooled out-of-fold scores of each setting and seed, with intervals."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmn.errors import UserError
from mmn.evaluation.folds import pooled
from mmn.evaluation.intervals import MEANS_OVER_CLIPS, intervals
from mmn.evaluation.paired import paired
from mmn.evaluation.predictions import chosen, labelled
from mmn.evaluation.scores import Scores, compute_metrics
from mmn.reporting.fold_runs import Setting, settings_of
from mmn.reporting.runs import Run, find_runs
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
        over = "95 %" + (" (first seed)" if any(len(row.scores) > 1 for row in self.rows) else "")
        for row in self.rows:
            values = [compute_metrics(scores)[self.metric] for scores in row.scores.values()]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            low, high = self._interval(row)
            record = {
                "setting": row.name, "folds": row.folds, "clips": len(next(iter(row.scores.values())).names),
                "seeds": len(values), "pooled": f"{statistics.mean(values):.2f}{spread}",
                over: f"{low:.2f} … {high:.2f}",
            }  # fmt: skip
            if self.metric in MEANS_OVER_CLIPS:
                last = row.last_epoch.get(self.metric)
                record["last epoch"] = "" if last is None else f"{last:.2f}"
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
    with the first setting, on the clips that both have. A setting with missing folds is left out and named; if none is
    complete, all are compared on the folds that each of them has.

    Raises:
        UserError: no finished runs over folds, no complete setting, or an unknown metric.
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
            lead, note = _lead(row, other, str(against or other.name), metric)
            differences |= {row.name: lead} if lead else {}
            more += [note] if note else []
    return FoldComparison(metric, rows, [*notes, *more], str(against or rows[0].name), differences)


def _rows(folder: Path) -> tuple[list[FoldRow], list[str]]:
    settings, notes = settings_of(folder)
    return [_row(setting) for setting in settings], notes


def _row(setting: Setting) -> FoldRow:
    scores = {
        seed: pooled([one.scores for one in runs.values() if one.scores is not None])
        for seed, runs in setting.seeds.items()
    }
    runs = [one.run for of_seed in setting.seeds.values() for one in of_seed.values()]
    first = next(iter(setting.seeds.values()))
    return FoldRow(setting.name, len(first), str(runs[0].about.get("selected_on") or ""), scores, _last_epoch(runs))


def _lead(row: FoldRow, other: FoldRow, called: str, metric: str) -> tuple[list[float] | None, str]:
    """A setting's lead over another with its interval, on the clips that both have, and a note if there is any."""
    sides = [list(one.scores.values()) for one in (row, other)]
    clips = [set(side[0].names) for side in sides]
    shared = clips[0] & clips[1]
    if not shared:
        return None, f"{row.name} and {called} are not compared: they have no clip in common."
    first, second = ([_only(scores, shared) for scores in side] for side in sides)
    try:
        found = paired(first, second)["differences"].get(metric)
    except UserError as error:
        return None, f"{row.name} and {called} are not compared: {error}"
    few = f"{row.name} and {called} are compared on the {len(shared)} clips that both have."
    lead = None if found is None else [found.points, found.low, found.high]
    return lead, "" if clips[0] == clips[1] else few


def _only(scores: Scores, names: set[str]) -> Scores:
    return chosen(scores, np.array([i for i, name in enumerate(scores.names) if name in names], np.int64))


def _last_epoch(runs: Sequence[Run]) -> dict[str, float]:
    """The mean over clips of each metric of the runs' last epochs on their folds; empty if a run lacks it.

    Only metrics that are means over clips: F1 over all clips is not the mean of the folds' F1.
    """
    found = [run.last_epoch("val") for run in runs]
    if not all(found):
        return {}
    table = pd.DataFrame(found)
    means = [name for name in table.columns if name in MEANS_OVER_CLIPS]
    return {name: float(np.average(table[name], weights=table["clips"])) for name in means}
