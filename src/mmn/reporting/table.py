"""Tables of metrics on the terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

from mmn.evaluation.predictions import predictions, probabilities
from mmn.evaluation.scores import Scores
from mmn.text import console, plain

TITLES = {
    "clips": "clips",
    "loss": "loss",
    "top1": "Top-1",
    "top5": "Top-5",
    "action_f1_macro": "action F1 macro",
    "action_f1_micro": "action F1 micro",
    "body_f1_macro": "body F1 macro",
    "body_f1_micro": "body F1 micro",
    "f1_mean": "F1 mean",
}
"""Titles of the metrics, in display order."""

MORE_TITLES = {
    "action_f1_macro_present": "action F1 macro, classes present",
    "body_f1_macro_present": "body F1 macro, groups present",
    "f1_mean_present": "F1 mean, classes present",
    "mean_class_accuracy": "mean class accuracy",
    "kappa": "Cohen's κ",
    "mcc": "Matthews' correlation",
    "brier": "Brier score",
}
"""Further metrics in the report."""


def print_metrics(metrics: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Print ``{column: {metric: value}}``, one row per metric; percentages with two decimals. Returns plain text."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for column in metrics:
        table.add_column(column, justify="right")
    for name, text in TITLES.items():
        if any(name in column for column in metrics.values()):
            table.add_row(text, *(_cell(name, column.get(name)) for column in metrics.values()))
    recording = console(record=True)
    recording.print(table)
    return recording.export_text()


def print_streams(metrics: Mapping[str, Mapping[str, float]], title: str, what: str = "stream") -> None:
    """Print ``{stream: {metric: value}}``, one row per stream (or file), the headline metrics as columns."""
    table = Table(title=title, title_justify="left")
    table.add_column(what, overflow="fold")
    names = [name for name in ("top1", "top5", "f1_mean") if any(name in row for row in metrics.values())]
    for name in names:
        table.add_column(TITLES[name], justify="right", no_wrap=True)
    for stream, row in metrics.items():
        table.add_row(plain(stream), *(_cell(name, row.get(name)) for name in names))
    console().print(table)


def print_by_group(found: Mapping[str, Any]) -> None:
    """Print one line on how a metric varies between groups, if any."""
    if not found:
        return
    worst, interval = found["worst"], found["interval_95"]
    span = f" (95 % {interval[0]:.2f} … {interval[1]:.2f})" if interval else ""
    title = TITLES[found["metric"]]
    worst_is = f"worst {worst['name']}, {worst['value']:.2f} %"
    print(f"by subject: mean {title} of {found['groups']} {found['mean']:.2f} %{span}; {worst_is}")


def print_group_columns(metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Print one line with the body F1 of the challenge file for each way of ranking groups, if labels are known."""
    if metrics:
        ways = ", ".join(f"groups={way} {values['body_f1_macro']:.2f} %" for way, values in metrics.items())
        print(f"body F1 macro of the challenge file: {ways}")


def print_predicted(scores: Scores) -> None:
    """Print how often each class was predicted for unlabelled clips, most frequent first."""
    unlabelled = np.flatnonzero(scores.labels < 0)
    best, chances = predictions(scores)[unlabelled], probabilities(scores)[unlabelled].max(axis=1)
    table = Table(title=f"{len(unlabelled)} unlabelled clips", title_justify="left")
    for column in ("predicted", "clips", "mean probability"):
        table.add_column(column, justify="left" if column == "predicted" else "right")
    counts = np.bincount(best, minlength=len(scores.classes.names))
    for k in np.argsort(-counts, kind="stable"):
        if counts[k]:
            table.add_row(scores.classes.names[k], str(counts[k]), f"{100 * chances[best == k].mean():.1f} %")
    console().print(table)


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if name == "clips" else f"{value:.4f}" if name == "loss" else f"{value:.2f} %"
