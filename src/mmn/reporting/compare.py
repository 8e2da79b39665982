"""A sweep as a table: what differs between its runs, a column a seed, mean and spread, and the runs added up."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmn.errors import UserError
from mmn.evaluation.fit_weights import find_weights
from mmn.evaluation.scores import Scores, combine, figures, read_scores


@dataclass(frozen=True)
class Run:
    """One finished run of a sweep."""

    folder: Path
    modality: str
    seed: int
    overrides: dict[str, str]  # what the command line said: "optimizer.lr" → "0.001"
    figures: dict[str, dict[str, float]]  # split → figure → value

    def scores(self, split: str) -> Scores | None:
        """Scores of a split, None where the run left none."""
        path = self.folder / f"scores_{split}.h5"
        return read_scores(path) if path.exists() else None


@dataclass(frozen=True)
class Row:
    """Runs that differ in nothing but their seeds."""

    name: str
    values: dict[int, float]  # seed → figure

    @property
    def summary(self) -> str:
        """``mean ± sd``, or the one value."""
        values = list(self.values.values())
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.2f}{spread}"


@dataclass(frozen=True)
class Comparison:
    """A sweep's table.

    Attributes:
        metric: the figure compared, such as ``"top1"``.
        split: of which split.
        rows: one for each setting, then the settings of each seed added up.
        weights: seed → what each row counts in the sum; empty where there is nothing to add up.
        weights_from: where the weights come from, in words.
    """

    metric: str
    split: str
    rows: list[Row]
    weights: dict[int, dict[str, float]]
    weights_from: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = {row.name: {str(seed): value for seed, value in row.values.items()} for row in self.rows}
        weights = {str(seed): w for seed, w in self.weights.items()}
        return {"metric": self.metric, "split": self.split, "rows": rows, "weights": weights,
                "weights_from": self.weights_from}  # fmt: skip

    def markdown(self) -> str:
        """The table as Markdown."""
        seeds = sorted({seed for row in self.rows for seed in row.values})
        header = ["", *(f"seed {seed}" for seed in seeds), "mean ± sd", "best"]
        lines = [f"{self.metric} on {self.split}, %", "", _line(header), _line(["---"] * len(header))]
        for row in self.rows:
            cells = [f"{row.values[seed]:.2f}" if seed in row.values else "" for seed in seeds]
            lines.append(_line([row.name, *cells, row.summary, f"{max(row.values.values()):.2f}"]))
        if self.weights:
            lines += ["", f"Weights: {self.weights_from}."]
            for seed, weights in self.weights.items():
                lines.append(f"- seed {seed}: " + ", ".join(f"{name} {w:.2f}" for name, w in weights.items()))
        return "\n".join(lines) + "\n"


def compare(folder: Path, metric: str = "top1", split: str = "test") -> Comparison:
    """Compare the finished runs below ``folder``.

    Rows are the settings that differ between runs, other than seeds. Where each seed has several, they are added up as
    an ensemble, with weights found on the val split; where a run has no scores of one, they count alike.

    Raises:
        UserError: no finished runs, or none with that figure of that split.
    """
    runs = find_runs(folder)
    if not any(metric in run.figures.get(split, {}) for run in runs):
        have = sorted({f"{s} {m}" for run in runs for s, figures_of in run.figures.items() for m in figures_of})
        raise UserError(f"the runs in {folder} have no {split} {metric}; they have {', '.join(have) or 'no figures'}.")
    runs = [run for run in runs if metric in run.figures.get(split, {})]
    names = names_of(runs)
    rows = []
    for name in dict.fromkeys(names):
        values = {run.seed: run.figures[split][metric] for run, n in zip(runs, names, strict=True) if n == name}
        rows.append(Row(name, dict(sorted(values.items()))))
    ensemble, weights, source = _ensemble(runs, names, metric, split)
    return Comparison(metric, split, [*rows, *ensemble], weights, source)


def find_runs(folder: Path) -> list[Run]:
    """Run folders with ``config.yaml`` and ``metrics.json``, in order of their names.

    Raises:
        UserError: none there.
    """
    runs = []
    for path in sorted(folder.rglob("metrics.json")):
        config, overrides = path.with_name("config.yaml"), path.parent / ".hydra" / "overrides.yaml"
        if config.exists() and overrides.exists():
            content = yaml.safe_load(config.read_text(encoding="utf-8"))
            said = dict(line.split("=", 1) for line in yaml.safe_load(overrides.read_text(encoding="utf-8")))
            result = json.loads(path.read_text(encoding="utf-8"))
            runs.append(Run(path.parent, content["modality"]["name"], int(content["seed"]), said, result))
    if not runs:
        raise UserError(f"there are no finished runs in {folder}; give the folder of a sweep.")
    return runs


def names_of(runs: Sequence[Run]) -> list[str]:
    """A name for each run, of what differs in their command lines but the seed: ``bone``, or ``bone, lr=0.002``."""
    keys = list(dict.fromkeys(key for run in runs for key in run.overrides))
    differing = [
        key
        for key in keys
        if key not in ("seed", "modality", "experiment") and len({run.overrides.get(key) for run in runs}) > 1
    ]
    several = len({run.modality for run in runs}) > 1

    def name(run: Run) -> str:
        settings = [f"{key.split('.')[-1]}={_short(run.overrides.get(key, 'default'))}" for key in differing]
        return ", ".join([run.modality, *settings] if several or not settings else settings)

    return [name(run) for run in runs]


def _short(value: str) -> str:
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value


def _ensemble(
    runs: Sequence[Run], names: Sequence[str], metric: str, split: str
) -> tuple[list[Row], dict[int, dict[str, float]], str]:
    """The settings of each seed added up, and all runs together."""
    values: dict[int, float] = {}
    weights: dict[int, dict[str, float]] = {}
    source = "equal, since there are no scores of a val split to find them on"
    reported: dict[int, dict[str, Scores]] = {}
    judged: dict[int, dict[str, Scores]] = {}
    for run, name in zip(runs, names, strict=True):
        if (scores := run.scores(split)) is not None:
            reported.setdefault(run.seed, {})[name] = scores
        if split != "val" and (scores := run.scores("val")) is not None:
            judged.setdefault(run.seed, {})[name] = scores
    for seed, streams in sorted(reported.items()):
        if len(streams) < 2:
            continue
        found = [1.0 / len(streams)] * len(streams)
        if set(judged.get(seed, {})) == set(streams):
            found, source = find_weights([judged[seed][name] for name in streams]).weights, "found on the val split"
        weights[seed] = dict(zip(streams, found, strict=True))
        values[seed] = figures(combine(list(streams.values()), found))[metric]
    return ([Row("ensemble", values)] if values else []), weights, source


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
