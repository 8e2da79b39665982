"""One result as a column of the report; ``--against`` puts two side by side."""

import logging
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmn.errors import UserError
from mmn.evaluation.analysis import analyse
from mmn.evaluation.calibration import calibration
from mmn.evaluation.errors import error_analysis
from mmn.evaluation.gates import BRANCHES
from mmn.evaluation.predictions import labelled, predictions
from mmn.evaluation.scores import Scores, compute_metrics
from mmn.reporting import plots
from mmn.reporting.curves import curve_names, named_curves, read_metrics
from mmn.reporting.report_clips import gates_on_a_clip, worst_clips
from mmn.reporting.result import Result
from mmn.reporting.table import TITLES

log = logging.getLogger(__name__)

HEADLINES = ("top1", "top5", "action_f1_macro")
"""Metrics that are listed for each stream and each training."""


@dataclass(frozen=True)
class ReportColumn:
    """One result's content on the page.

    Attributes:
        number: 0 or 1.
        name: name of the result.
        scores: of the labelled clips.
        metrics: texts by metric, with intervals.
        classes: rows of precision, recall and F1.
        analysis: result of ``analyse``.
        confused: the most confused pairs.
        drawings: Bokeh plots by name.
        clips: the worst errors.
        players: the data that animates them.
        gates: gate weights on one clip; None without checkpoint or data.
        errors: accuracy by property; empty without data.
        streams: checkpoint and headline metrics of each ensembled stream.
        trainings: metrics of each training, and their mean ± standard deviation; empty for a single training.
        chosen: how the epoch was selected, as a sentence; empty if unknown.
    """

    number: int
    name: str
    scores: Scores
    metrics: dict[str, str]
    classes: list[dict[str, Any]]
    analysis: dict[str, Any]
    confused: list[dict[str, Any]]
    drawings: dict[str, Any]
    clips: list[dict[str, Any]]
    players: dict[str, Any]
    gates: dict[str, Any] | None
    errors: dict[str, list[dict[str, Any]]]
    streams: list[list[str]]
    trainings: list[list[str]]
    chosen: str


def report_column(number: int, result: Result, name: str) -> ReportColumn:
    """Assemble a result's content."""
    scores = labelled(result.scores)
    analysis, calibrated, counts = analyse(scores), calibration(scores), _confusion(scores)
    classes = analysis["classes"]
    drawings: dict[str, Any] = {
        "confusion": plots.confusion(counts, scores.classes.names),
        "classes": plots.class_bars([row for row in classes if row["clips"] or row["predicted"]]),
        "reliability": plots.reliability(calibrated["bins"]),
        "risk": plots.risk_coverage(analysis["risk_coverage"]),
    }
    drawings |= _curves(result)
    clips, players = worst_clips(result, scores)
    gates = gates_on_a_clip(result, clips)
    if gates:
        drawings["gates"] = plots.branch_times(gates.pop("times"), BRANCHES)
    return ReportColumn(
        number=number,
        name=name,
        scores=scores,
        metrics=_metrics(scores, analysis),
        classes=classes,
        analysis=analysis,
        confused=_most_confused(counts, scores.classes.names),
        drawings=drawings,
        clips=clips,
        players=players,
        gates=gates,
        errors=error_analysis(scores, result.data, result.split) if result.data else {},
        streams=_headlines(result.streams),
        trainings=_trainings(result.trainings),
        chosen=_chosen(result),
    )


def _chosen(result: Result) -> str:
    """How the epoch was selected, and the last epoch's metrics."""
    about = result.about
    if "epoch" not in about:
        return ""
    selected = about.get("selected_on")
    last = about.get("last_epoch") or {}
    text = f"Epoch {about['epoch']}" + (f" of {last['epoch']}" if last else "")
    text += f", selected by {selected}" if selected else ", the last"
    if selected and selected.startswith(f"{result.split}/"):
        text += ": these metrics are the best of all epochs on these same clips, and therefore optimistic"
    own = last.get(result.split) or {}
    if own and last.get("epoch") != about["epoch"]:
        text += f". The last epoch has Top-1 {own['top1']:.2f} %, action F1 macro {own['action_f1_macro']:.2f} %"
    return text + "."


def _curves(result: Result) -> dict[str, Any]:
    """The curves of training, if it is recorded."""
    path = result.folder / "metrics.csv"
    if result.pooled or not path.exists():
        return {}
    try:
        columns = named_curves(read_metrics(path), result.val_split)
    except UserError as error:
        log.warning("%s The report has no curves of this run.", error)
        return {}
    return {
        "loss": plots.curves(columns, curve_names(columns, "loss"), "cross entropy"),
        "top1": plots.curves(columns, curve_names(columns, "top1"), "Top-1, %"),
    }


def _metrics(scores: Scores, analysis: dict[str, Any]) -> dict[str, str]:
    """metric → text: those of ``metrics.json`` with their intervals, and related ones."""
    values, bounds = compute_metrics(scores), analysis["intervals_95"]
    texts = {}
    for name in (name for name in TITLES if name in values):
        if name in bounds:
            low, high = bounds[name]
            texts[name] = f"{values[name]:.2f} % [{low:.1f}, {high:.1f}]"
        else:
            texts[name] = f"{values[name]:.0f}" if name == "clips" else f"{values[name]:.4f}"
    present = analysis["classes_present"]
    if present["classes"] < len(scores.classes.names):
        for name in (name for name in present if name in TITLES):
            texts[f"{name}_present"] = f"{present[name]:.2f} %"
    texts["mean_class_accuracy"] = f"{analysis['mean_class_accuracy']:.2f} %"
    texts |= {name: f"{analysis[name]:.4f}" for name in ("kappa", "mcc", "brier")}
    return texts


def _headlines(results: list[Scores]) -> list[list[str]]:
    """Rows of a result's checkpoints and its ``HEADLINES``."""
    rows = []
    for scores in results:
        values = compute_metrics(scores)
        paths = ("/".join(Path(path).parts[-3:]) for path in scores.source.checkpoints)  # run, checkpoints, file
        rows.append([", ".join(paths), *(f"{values[name]:.2f} %" for name in HEADLINES)])
    return rows


def _trainings(results: list[Scores]) -> list[list[str]]:
    """The rows of several trainings, and their mean and standard deviation."""
    if len(results) < 2:
        return []
    values = [compute_metrics(scores) for scores in results]
    by_name = [[one[name] for one in values] for name in HEADLINES]
    means = [f"{statistics.mean(own):.2f} ± {statistics.stdev(own):.2f} %" for own in by_name]
    return [*_headlines(results), ["mean ± standard deviation", *means]]


def _confusion(scores: Scores) -> np.ndarray:
    k = len(scores.classes.names)
    return np.bincount(scores.labels * k + predictions(scores), minlength=k * k).reshape(k, k)


def _most_confused(counts: np.ndarray, names: list[str], count: int = 12) -> list[dict[str, Any]]:
    support = np.maximum(counts.sum(axis=1), 1)
    off = counts - np.diag(np.diag(counts))
    order = np.argsort(-off, axis=None, kind="stable")[:count]
    pairs = [divmod(int(i), len(names)) for i in order]
    return [
        {"true": names[i], "predicted": names[j], "clips": int(off[i, j]), "share": 100 * off[i, j] / support[i]}
        for i, j in pairs
        if off[i, j]
    ]
