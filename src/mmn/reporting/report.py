"""One self-contained page about a run or an evaluation, that needs no network."""

import hashlib
import html
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import h5py
import jinja2
import numpy as np
import yaml
from bokeh.embed import components
from bokeh.resources import Resources
from matplotlib.colors import to_hex

from mmn.checkpoint import load_checkpoint
from mmn.data.hdf5 import read_data
from mmn.data.preprocess import prepare
from mmn.data.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.analysis import calibration, intervals, labelled, per_class, predictions, probabilities
from mmn.evaluation.errors import error_analysis, likely_label_errors
from mmn.evaluation.gates import BRANCHES, gate_weights
from mmn.evaluation.scores import Scores, figures, read_scores
from mmn.files import replacing
from mmn.provenance import provenance
from mmn.reporting import plots
from mmn.reporting.curves import read_metrics
from mmn.reporting.skeleton import part_colours
from mmn.reporting.table import TITLES

WORST = 6
_SECTIONS = ("figures", "curves", "confusion", "classes", "calibration", "mistakes", "gates", "errors", "provenance")


@dataclass(frozen=True)
class Result:
    """What a folder of train.py or eval.py holds about one split."""

    folder: Path
    split: str
    scores: Scores
    data: SkeletonData | None
    checkpoint: Path | None


def load_result(folder: Path, split: str | None = None) -> Result:
    """The scores in a run's or an evaluation's folder, and the data and checkpoint they came from, if still there.

    Raises:
        UserError: a folder without scores of that split, or with no labelled clip.
    """
    paths = [folder / "scores.h5"] + [folder / f"scores_{name}.h5" for name in ("test", "val")]
    if split is not None:
        paths = [folder / "scores.h5", folder / f"scores_{split}.h5"]
    path = next((p for p in paths if p.exists()), None)
    if path is None:
        wanted = f" of {split}" if split else ""
        raise UserError(f"{folder} holds no scores{wanted}; give a folder of train.py or eval.py.")
    scores = read_scores(path, split)
    if not (scores.labels >= 0).any():
        raise UserError(f"{path} has no labelled clip, so that there is nothing to report.")
    with h5py.File(path) as file:
        checkpoint = Path(str(file.attrs.get("checkpoint") or file.attrs.get("checkpoints") or ""))
        found = split or str(file.attrs.get("split", "test"))
    checkpoint_path = checkpoint if checkpoint.is_file() else None
    return Result(folder, found, scores, _data(checkpoint_path), checkpoint_path)


def _data(checkpoint: Path | None) -> SkeletonData | None:
    """The file a checkpoint was trained on."""
    if checkpoint is None or (description := load_checkpoint(checkpoint).description) is None:
        return None
    return read_data(description.data_path) if Path(description.data_path).exists() else None


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
    classes, calibrated = per_class(scores), calibration(scores)
    drawings: dict[str, Any] = {
        "confusion": plots.confusion(_confusion(scores), scores.classes.names),
        "classes": plots.class_bars(classes),
        "reliability": plots.reliability(calibrated["bins"]),
    }
    if (folder / "metrics.csv").exists():
        columns = read_metrics(folder / "metrics.csv")
        drawings["loss"] = plots.curves(columns, ("train/loss", "val/loss"), "loss")
        drawings["top1"] = plots.curves(columns, ("train/top1", "val/top1"), "Top-1, %")
    clips, players = _worst(result, scores)
    gates = _gates(result, clips)
    if gates:
        drawings["gates"] = plots.branch_times(gates.pop("times"), BRANCHES)
    script, parts = components(drawings)
    in_clips = result.data is not None and result.split in result.data.splits
    content = {
        "title": f"{folder.resolve().name}: {result.split}",
        "subtitle": f"{len(scores.names)} labelled clips, {len(scores.classes.names)} classes",
        "note": "" if result.data else "The data file is not where it was, so that clips are not shown.",
        "sections": [(name, name) for name in _SECTIONS if _present(name, drawings, clips, gates, in_clips)],
        "headline": _headline([result, *others]),
        "plots": {**parts, "curves": [parts[name] for name in ("loss", "top1") if name in parts]},
        "confused": _most_confused(scores),
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


def _most_confused(scores: Scores, count: int = 12) -> list[dict[str, Any]]:
    counts = _confusion(scores)
    support = np.maximum(counts.sum(axis=1), 1)
    off = counts - np.diag(np.diag(counts))
    names = scores.classes.names
    order = np.argsort(-off, axis=None, kind="stable")[:count]
    pairs = [divmod(int(i), len(names)) for i in order]
    return [
        {"true": names[i], "predicted": names[j], "clips": int(off[i, j]), "share": 100 * off[i, j] / support[i]}
        for i, j in pairs
        if off[i, j]
    ]


def _worst(result: Result, scores: Scores) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The clips that went most wrong, and what the players need to move them."""
    data = result.data
    if data is None or result.split not in data.splits:
        return [], {"clips": [], "bones": [], "colours": []}
    chances, taken = probabilities(scores), predictions(scores)
    wrong = np.flatnonzero(taken != scores.labels)
    order = wrong[np.argsort(chances[wrong, scores.labels[wrong]])][:WORST]
    split, names = data.splits[result.split], scores.classes.names
    shown, moving = [], []
    for i in order:
        clip = split.clip(split.names.index(scores.names[i]))[:, :, :2]
        low = clip.min(axis=(0, 1))
        size = max(float((clip.max(axis=(0, 1)) - low).max()), 1e-6)
        moving.append(np.rint((clip - low) / size * 900 + 50).astype(int).reshape(len(clip), -1).tolist())
        top = [(names[j], 100 * chances[i, j]) for j in np.argsort(-chances[i])[:5]]
        shown.append({"name": scores.names[i], "true": names[scores.labels[i]], "predicted": names[taken[i]],
                      "frames": len(clip), "top": top})  # fmt: skip
    colours = [to_hex(colour) for colour in part_colours(data.layout)]
    return shown, {"clips": moving, "bones": data.layout.bones, "colours": colours}


def _gates(result: Result, clips: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The gates on the worst clip, or on the first one where nothing went wrong."""
    if result.checkpoint is None or result.data is None or result.split not in result.data.splits:
        return None
    checkpoint = load_checkpoint(result.checkpoint)
    layout, split = result.data.layout, result.data.splits[result.split]
    index = split.names.index(clips[0]["name"]) if clips else 0
    modality = checkpoint.description.modality if checkpoint.description else None
    x, times = prepare(
        [np.asarray(split.clip(index))],
        layout,
        modality.name if modality else "joint",
        checkpoint.network.config["num_frames"],
        modality.bone_rule if modality else "official",
    )
    gates = gate_weights(checkpoint.network, x, times)
    weights = np.empty((3, layout.num_joints))
    weights[:, layout.order] = gates.joints[0].numpy()  # from network order to the layout's
    pose = split.clip(index)[len(split.clip(index)) // 2]
    return {
        "name": split.names[index],
        "skeletons": [(name, _svg(pose, layout.bones, row)) for name, row in zip(BRANCHES, weights, strict=True)],
        "scales": ", ".join(f"1/{2**i} {float(w):.2f}" for i, w in enumerate(gates.scales[0])),
        "times": gates.times[0].numpy(),
    }


def _svg(pose: np.ndarray, bones: list[tuple[int, int]], weights: np.ndarray) -> str:
    """A skeleton whose joints grow and darken with their weight."""
    low = pose[:, :2].min(axis=0)
    place = (pose[:, :2] - low) / max(float(np.ptp(pose[:, :2], axis=0).max()), 1e-6) * 260 + 20
    relative = (weights - weights.min()) / max(float(np.ptp(weights)), 1e-6)
    lines = "".join(
        f'<line x1="{place[a, 0]:.0f}" y1="{place[a, 1]:.0f}" x2="{place[b, 0]:.0f}" y2="{place[b, 1]:.0f}" '
        'stroke="#7f8790" stroke-width="2"/>'
        for a, b in bones
    )
    dots = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{3 + 7 * r:.1f}" fill="#2563eb" fill-opacity="{0.25 + 0.7 * r:.2f}">'
        f"<title>{w:.3f}</title></circle>"
        for (x, y), r, w in zip(place, relative, weights, strict=True)
    )
    label = html.escape(f"weights from {weights.min():.2f} to {weights.max():.2f}")
    head = f'<svg viewBox="0 0 300 310" role="img" aria-label="{label}">'
    return f'{head}{lines}{dots}<text x="8" y="304">{label}</text></svg>'


def _provenance(result: Result) -> str:
    content: dict[str, Any] = {"folder": result.folder.resolve().name, "split": result.split}
    if result.data is not None and result.checkpoint is not None:
        description = load_checkpoint(result.checkpoint).description
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
