"""Scores: the logits of every clip of a split, the metrics computed from them, and their file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN
from mmn.data.format.datasets import dataset_of
from mmn.data.format.names import check_classes, check_names
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.action_metrics import ActionMetrics
from mmn.evaluation.choices import Average
from mmn.evaluation.logits import loss_of
from mmn.evaluation.weights import shares
from mmn.hdf5.digest import is_intact, texts
from mmn.hdf5.reading import content, open_hdf5
from mmn.hdf5.writing import new_hdf5

FORMAT = "mmn-scores"


@dataclass(frozen=True)
class Source:
    """Where scores come from.

    Attributes:
        checkpoints: paths of the networks' checkpoints.
        data: path of the data file.
        split: the scored split.
        view: the part of the file that was used.
        record: provenance as plain values: ``about`` in ``metrics.json``.
    """

    checkpoints: tuple[str, ...] = ()
    data: str = ""
    split: str = ""
    view: View = field(default_factory=View)
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """Logits ``(N, K)`` float32 of the clips ``names``, with labels ``(N,)`` (−1 = unknown).

    ``groups`` names the subject or recording of each clip, if the data file does.
    """

    names: list[str]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    classes: Classes
    source: Source = field(default_factory=Source)
    groups: list[str] | None = None


def compute_metrics(scores: Scores) -> dict[str, float]:
    """Number of labelled clips, loss, and the metrics of ``ActionMetrics``; only the number if none is labelled."""
    known = scores.labels != UNKNOWN
    result: dict[str, float] = {"clips": int(known.sum())}
    if known.any():
        logits, labels = torch.from_numpy(scores.logits[known]), torch.from_numpy(scores.labels[known])
        metrics = ActionMetrics(scores.classes, sync=False)
        metrics.update(logits, labels)
        result |= {"loss": loss_of(logits, labels), **metrics.compute()}
    return result


def combine(
    streams: Sequence[Scores],
    weights: Sequence[float] | None = None,
    average: Average = "logits",
) -> Scores:
    """Weighted mean of several streams, clips matched by name, in the order of the first.

    Args:
        streams: scores of the same clips.
        weights: one per stream, divided by their sum; None for equal ones.
        average: logits, or softmax probabilities, whose logarithm is then the result's logits.

    Raises:
        UserError: invalid weights, or streams of different clips, labels or classes.
    """
    logits, _ = aligned(streams)
    total = weighted_mean(logits, np.asarray(shares(weights, len(streams))), average)
    checkpoints = tuple(path for stream in streams for path in stream.source.checkpoints)
    source = replace(streams[0].source, checkpoints=checkpoints)
    return replace(streams[0], logits=total.astype(np.float32), source=source)


def weighted_mean(logits: NDArray[np.float64], weights: NDArray[np.float64], average: Average) -> NDArray[np.float64]:
    """Logits ``(N, K)`` of the weighted sum of ``logits (S, N, K)``, or of their softmax."""
    parts = logits if average == "logits" else torch.from_numpy(logits).softmax(dim=-1).numpy()
    total = np.einsum("s,snk->nk", weights, parts)
    return total if average == "logits" else np.log(np.maximum(total, np.finfo(np.float64).tiny))


def aligned(streams: Sequence[Scores]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits ``(S, N, K)`` and labels ``(N,)`` of the same clips, matched by name, in the order of the first stream.

    Raises:
        UserError: streams of different clips, labels or classes.
    """
    first = streams[0]
    logits = []
    for number, stream in enumerate(streams, start=1):
        if stream.classes.names != first.classes.names:
            raise UserError(f"stream {number} and the first have different classes; use streams of the same classes.")
        place = {name: i for i, name in enumerate(stream.names)}
        if set(place) != set(first.names):
            name = min(set(place) ^ set(first.names))
            raise UserError(f"stream {number} and the first have different clips (such as {name}); score one split.")
        order = [place[name] for name in first.names]
        if not np.array_equal(stream.labels[order], first.labels):
            raise UserError(f"stream {number} and the first have different labels; score the same file.")
        logits.append(stream.logits[order].astype(np.float64))
    return np.stack(logits), first.labels


def write_scores(path: Path, scores: Scores) -> None:
    """Write ``scores.h5``: names, labels, logits, classes, and their source as attributes."""
    source = scores.source
    with new_hdf5(path) as file:
        file.attrs.update(format=FORMAT, version=1, created_with=f"mmn {version('mmn')}")
        file.attrs.update(data=source.data, split=source.split, view=json.dumps(source.view.as_dict()))
        file.attrs["record"] = json.dumps(source.record)
        file.attrs.create("checkpoints", source.checkpoints, dtype=h5py.string_dtype())
        file.create_dataset("names", data=scores.names, dtype=h5py.string_dtype())
        file.attrs["ordinal"] = scores.classes.ordinal
        file.create_dataset("class_names", data=scores.classes.names, dtype=h5py.string_dtype())
        if scores.classes.group_names:
            file["group_of_class"] = scores.classes.group_of_class
            file.create_dataset("group_names", data=scores.classes.group_names, dtype=h5py.string_dtype())
        if scores.groups is not None:
            file.create_dataset("groups", data=scores.groups, dtype=h5py.string_dtype())
        file["labels"] = scores.labels
        file["logits"] = scores.logits


def read_scores(path: Path, split: str | None = None) -> Scores:
    """Read what ``write_scores`` wrote.

    Raises:
        UserError: a file without scores, a damaged file, or scores of another split than ``split``.
    """
    advice = "write it again with eval.py"
    with open_hdf5(path, advice) as file:
        if file.attrs.get("format") != FORMAT or file.attrs.get("version") != 1:
            raise UserError(f"{path} is HDF5 but holds no scores; give a scores.h5 of train.py or eval.py.")
        checkpoints = tuple(str(path) for path in np.atleast_1d(file.attrs.get("checkpoints", ())))
        data, of, view = (
            str(file.attrs.get(name, missing)) for name, missing in (("data", ""), ("split", ""), ("view", "{}"))
        )
        source = Source(checkpoints, data, of, _view(view, path), _record(file))
        if split is not None and source.split not in ("", split):
            raise UserError(f"{path} holds scores of split {source.split}; give scores of {split}, or change split=.")
        if is_intact(file) is False:
            raise UserError(f"{path} was changed after it was written (its digest differs); {advice}.")

        def strings(name: str) -> list[str]:
            return [value.decode() for value in texts(file[name])]

        grouped = "group_names" in file
        groups = file["group_of_class"][()].tolist() if grouped else []
        scores = Scores(
            names=strings("names"),
            labels=content(dataset_of(file, "labels", path, "i", (None,)), np.int64),
            logits=content(dataset_of(file, "logits", path, "f", (None, None)), np.float32),
            classes=Classes(
                strings("class_names"),
                groups,
                strings("group_names") if grouped else [],
                ordinal=bool(file.attrs.get("ordinal", False)),
            ),
            source=source,
            groups=strings("groups") if "groups" in file else None,
        )
    check_scores(scores, str(path))
    return scores


def _view(text: str, path: Path) -> View:
    try:
        return View(**json.loads(text))
    except (ValueError, TypeError, UserError):
        raise UserError(f"{path} has a view that this version of mmn does not know; update mmn.") from None


def _record(file: h5py.File) -> dict[str, Any]:
    """The record; empty in files of an earlier version, or if damaged."""
    try:
        record = json.loads(str(file.attrs.get("record", "{}")))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def check_scores(scores: Scores, where: str) -> None:
    """Check that metrics can be computed from scores.

    Raises:
        UserError: naming the clip.
    """
    names, classes = scores.names, scores.classes
    groups = names if scores.groups is None else scores.groups
    if scores.logits.shape != (len(names), len(classes.names)) or not len(scores.labels) == len(groups) == len(names):
        raise UserError(f"{where} has logits {scores.logits.shape} for {len(names)} clips; write it again.")
    if not names or len(set(names)) != len(names):
        raise UserError(f"{where} holds no clips, or one of them twice; write it again.")
    check_names(names, "clip", where)
    check_classes(classes, where)
    wrong = np.flatnonzero((scores.labels < UNKNOWN) | (scores.labels >= len(classes.names)))
    if len(wrong):
        raise UserError(
            f"{where}: clip {names[wrong[0]]} has label {scores.labels[wrong[0]]}, outside 0…{len(classes.names) - 1} "
            f"({UNKNOWN} = unknown); write it again."
        )
    wrong = np.flatnonzero(~np.isfinite(scores.logits).all(axis=1))
    if len(wrong):
        raise UserError(
            f"{where}: the scores of clip {names[wrong[0]]} are not finite numbers ({len(wrong)} of {len(names)} "
            "clips); the network has diverged: check its weights."
        )
