"""One self-contained page about a run or an evaluation, that needs no network."""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import yaml
from bokeh.embed import components
from bokeh.resources import Resources

from mmn.evaluation.analysis import calibration, intervals, labelled, per_class, predictions
from mmn.evaluation.errors import error_analysis, likely_label_errors
from mmn.evaluation.gates import BRANCHES
from mmn.evaluation.scores import Scores, figures
from mmn.files import replacing
from mmn.provenance import provenance
from mmn.reporting import plots
from mmn.reporting.curves import read_metrics
from mmn.reporting.report_clips import gates_on_a_clip, worst_clips
from mmn.reporting.result import Result, load_result
from mmn.reporting.table import TITLES

_SECTIONS = ("figures", "curves", "confusion", "classes", "calibration", "mistakes", "gates", "errors", "provenance")


def write_report(folder: Path, output: Path, against: Path | None = None, split: str | None = None) -> None:
    """Write the page.

    Args:
        folder: of a run or an evaluation.
        output: the HTML file.
        against: another one, whose figures stand beside.
        split: which; test where there is one.

    Raises:
        UserError: a folder without scores.
    """
    result = load_result(folder, split)
    others = [load_result(against, result.split)] if against else []
    scores = labelled(result.scores)
    classes, calibrated, counts = per_class(scores), calibration(scores), _confusion(scores)
    drawings: dict[str, Any] = {
        "confusion": plots.confusion(counts, scores.classes.names),
        "classes": plots.class_bars(classes),
        "reliability": plots.reliability(calibrated["bins"]),
    }
    if (folder / "metrics.csv").exists():
        columns = read_metrics(folder / "metrics.csv")
        drawings["loss"] = plots.curves(columns, ("train/loss", "val/loss"), "loss")
        drawings["top1"] = plots.curves(columns, ("train/top1", "val/top1"), "Top-1, %")
    clips, players = worst_clips(result, scores)
    gates = gates_on_a_clip(result, clips)
    if gates:
        drawings["gates"] = plots.branch_times(gates.pop("times"), BRANCHES)
    script, parts = components(drawings)
    in_clips = result.clips is not None
    content = {
        "title": f"{folder.resolve().name}: {result.split}",
        "subtitle": f"{len(scores.names)} labelled clips, {len(scores.classes.names)} classes",
        "note": "" if result.data else "The data file is not where it was, so that clips are not shown.",
        "sections": [(name, name) for name in _SECTIONS if _present(name, drawings, clips, gates, in_clips)],
        "headline": _headline([result, *others]),
        "plots": {**parts, "curves": [parts[name] for name in ("loss", "top1") if name in parts]},
        "confused": _most_confused(counts, scores.classes.names),
        "classes": classes,
        "ece": calibrated["ece"],
        "clips": clips,
        "players": json.dumps(players, separators=(",", ":")).replace("</", "<\\/"),
        "gates": gates,
        "errors": error_analysis(scores, result.data, result.split) if result.data and in_clips else {},
        "suspects": likely_label_errors([scores]),
        "provenance": _provenance(result),
        "bokeh_resources": Resources(mode="inline", components=["bokeh"]).render(),
        "bokeh_script": script,
    }
    template = resources.files("mmn.reporting").joinpath("templates/report.html").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True).from_string(template).render(**content)
    with replacing(output) as part:
        part.write_text(page, encoding="utf-8")


def _present(name: str, drawings: dict[str, Any], clips: list[Any], gates: Any, in_clips: bool) -> bool:
    there = {"curves": "loss" in drawings, "mistakes": bool(clips), "gates": bool(gates), "errors": in_clips}
    return there.get(name, True)


def _headline(results: list[Result]) -> dict[str, Any]:
    columns, tables = [], []
    for result in results:
        columns.append(result.folder.resolve().name)
        tables.append((figures(result.scores), intervals(labelled(result.scores), 500)))
    rows = []
    for name in (n for n in TITLES if n in tables[0][0]):
        cells = []
        for values, bounds in tables:
            text = f"{values[name]:.0f}" if name == "clips" else f"{values[name]:.4f}" if name == "loss" else ""
            if name in bounds:
                low, high = bounds[name]
                text = f"{values[name]:.2f} % [{low:.1f}, {high:.1f}]"
            cells.append(text)
        rows.append({"name": TITLES[name], "cells": cells})
    return {"columns": columns, "rows": rows}


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


def _provenance(result: Result) -> str:
    content: dict[str, Any] = {"folder": result.folder.resolve().name, "split": result.split}
    if result.data is not None and result.checkpoint is not None:
        description = result.checkpoint.description
        if description is not None:
            with Path(description.data_path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            content["data"] = {"file": Path(description.data_path).name, "source": result.data.source, "sha256": digest}
    config = result.folder / "config.yaml"
    if config.exists():
        plain = yaml.safe_load(config.read_text(encoding="utf-8"))
        for private in ("paths", "callbacks", "logger"):
            plain.pop(private, None)
        content["config"] = plain
    content["versions"] = provenance()
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
