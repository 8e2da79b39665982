"""Comparison of runs: one row per setting with mean, spread and interval, pairwise tests, and the ensemble."""

import statistics
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.evaluation.intervals import t_interval
from mmn.evaluation.paired import holm, paired
from mmn.reporting.compare_ensembles import ensembles
from mmn.reporting.runs import Run, find_runs, names_of

MOST_PAIRS = 15
"""Largest number of settings compared pairwise; of more, each is compared only with the first."""


@dataclass(frozen=True)
class Row:
    """Runs that differ only in their seeds.

    Attributes:
        name: the setting.
        runs: seed and metric of each run; a command that was run twice has two entries with the same seed.
        last: the last epoch's metric of each; empty if any is unknown.
    """

    name: str
    runs: list[tuple[int, float]]
    last: list[float] = field(default_factory=list)

    @property
    def values(self) -> dict[int, float]:
        """seed → metric; the last of several runs with the same seed."""
        return dict(self.runs)

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return statistics.mean(value for _, value in self.runs)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation; None for a single run."""
        return statistics.stdev(value for _, value in self.runs) if len(self.runs) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval by Student's t over repeated training; None for a single run."""
        return t_interval([value for _, value in self.runs])


@dataclass(frozen=True)
class Pair:
    """The difference of two settings.

    Attributes:
        first: name of the first setting.
        second: name of the second setting.
        points: difference of the means, first minus second; of the seeds that both have, if there are two.
        by_seed: 95 % interval of the difference between runs with the same seed; None for fewer than two.
        p: p value over clips and, with several runs, over runs; None without scores.
        p_holm: p value corrected for all pairs of the table.
        tested: what the p value refers to.
    """

    first: str
    second: str
    points: float
    by_seed: tuple[float, float] | None
    p: float | None
    p_holm: float | None
    tested: str


@dataclass(frozen=True)
class Table:
    """Runs on one file or fold whose epochs were selected in the same way.

    Attributes:
        data: the data file.
        selected_on: the metric that selected the epochs.
        rows: one per setting, then the ensemble of each seed's settings.
        pairs: the compared settings.
        weights: seed → ensemble weight of each row; empty without an ensemble.
        weights_from: where the weights come from, in words.
        notes: what is missing, one sentence each.
    """

    data: str
    selected_on: str
    rows: list[Row]
    pairs: list[Pair]
    weights: dict[int, dict[str, float]]
    weights_from: str
    notes: list[str]


@dataclass(frozen=True)
class Comparison:
    """All tables of a folder for one metric, such as ``"top1"``, of one split."""

    metric: str
    split: str
    tables: list[Table]

    @property
    def rows(self) -> list[Row]:
        """The rows of all tables."""
        return [row for table in self.tables for row in table.rows]

    @property
    def weights_from(self) -> str:
        """The source of the first table's weights."""
        return self.tables[0].weights_from

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        from mmn.reporting.compare_text import plain

        return plain(self)

    def markdown(self) -> str:
        """The tables as Markdown."""
        from mmn.reporting.compare_text import markdown

        return markdown(self)

    def latex(self) -> str:
        """The tables as LaTeX."""
        from mmn.reporting.compare_text import latex

        return latex(self)

    def csv(self) -> str:
        """One line per run."""
        from mmn.reporting.compare_text import csv

        return csv(self)


def compare(folder: Path, metric: str = "top1", split: str = "test") -> Comparison:
    """Compare the finished runs below ``folder``, with a table for each data file and kind of epoch selection.

    Rows are the settings that differ between runs, other than seeds. If each seed has several, they are combined into
    an ensemble, with weights fitted on the val split, or equal weights if a run has no val scores.

    Raises:
        UserError: no finished runs, or none with that metric of that split.
    """
    runs = find_runs(folder)
    if not any(metric in run.metrics.get(split, {}) for run in runs):
        have = sorted({f"{s} {m}" for run in runs for s, found in run.metrics.items() for m in found})
        raise UserError(f"the runs in {folder} have no {split} {metric}; they have {', '.join(have) or 'no metrics'}.")
    named = list(zip(runs, names_of(runs), strict=True))
    groups: dict[tuple[str, str], list[tuple[Run, str]]] = {}
    for run, name in named:
        if metric in run.metrics.get(split, {}):
            groups.setdefault((run.data, str(run.about.get("selected_on") or "")), []).append((run, name))
    return Comparison(metric, split, [_table(key, members, metric, split) for key, members in groups.items()])


def _table(key: tuple[str, str], members: list[tuple[Run, str]], metric: str, split: str) -> Table:
    by_name: dict[str, list[Run]] = {}
    for run, name in members:
        by_name.setdefault(name, []).append(run)
    rows = [_row(name, runs, metric, split) for name, runs in by_name.items()]
    values, weights, source, notes = ensembles(by_name, metric, split)
    sums = [Row("ensemble", values)] if values else []
    return Table(*key, [*rows, *sums], _pairs(rows, by_name, metric, split), weights, source, notes)


def _row(name: str, runs: list[Run], metric: str, split: str) -> Row:
    runs = sorted(runs, key=lambda run: run.seed)
    last = [run.last_epoch(split).get(metric) for run in runs]
    known = [value for value in last if value is not None]
    return Row(name, [(run.seed, run.metrics[split][metric]) for run in runs], known if len(known) == len(runs) else [])


def _pairs(rows: list[Row], by_name: dict[str, list[Run]], metric: str, split: str) -> list[Pair]:
    """Compare settings pairwise, or many with the first only; Holm's correction over all."""
    chosen = list(combinations(rows, 2))
    if len(chosen) > MOST_PAIRS:
        chosen = [(rows[0], row) for row in rows[1:]]
    found = []
    for first, second in chosen:
        seeds = sorted(set(first.values) & set(second.values))
        apart = [first.values[seed] - second.values[seed] for seed in seeds]
        shared = len(seeds) > 1  # then points, interval and test are of the same runs
        runs, others = (
            [run for run in by_name[row.name] if run.seed in seeds or not shared] for row in (first, second)
        )
        points = statistics.mean(apart) if shared else first.mean - second.mean
        p, tested = _p(runs, others, metric, split)
        found.append((first, second, points, t_interval(apart), p, tested))
    known = [p for *_, p, _ in found if p is not None]
    corrected = iter(holm(known) if known else [])
    return [
        Pair(first.name, second.name, points, by_seed, p, None if p is None else next(corrected), tested)
        for first, second, points, by_seed, p, tested in found
    ]


def _p(first: list[Run], second: list[Run], metric: str, split: str) -> tuple[float | None, str]:
    """The p value of a difference clip by clip, and what it refers to."""
    sides = [[run.scores(split) for run in side] for side in (first, second)]
    there = [[one for one in side if one is not None] for side in sides]
    if not all(there):
        return None, "there are no scores"
    name = {"action_f1_micro": "top1"}.get(metric, metric)
    try:
        result = paired(there[0], there[1], draws=1000)
    except UserError as error:
        return None, str(error)
    row = result["differences"].get(name)
    return (None, f"{metric} is not tested") if row is None else (row.p, result["test"])
