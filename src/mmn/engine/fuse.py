"""Fuse several streams: fit weights and temperatures on the val split, sum or combine the streams, record how."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmn.engine.evaluation_request import EvaluationRequest
from mmn.errors import UserError
from mmn.evaluation.calibration import fit_temperature
from mmn.evaluation.fit_weights import FittedWeights, find_weights
from mmn.evaluation.foreign_files import SUFFIXES
from mmn.evaluation.hierarchy import actions_and_groups, find_weight, with_groups
from mmn.evaluation.record import of_streams
from mmn.evaluation.route import groups_and_networks, routed
from mmn.evaluation.scores import Scores, combine, compute_metrics

log = logging.getLogger(__name__)


class Fused(NamedTuple):
    """The result, the streams it is the weighted sum of, their weights, and the network of groups, if any."""

    total: Scores
    streams: list[Scores]
    weights: list[float]
    groups: Scores | None = None


def val_paths(request: EvaluationRequest) -> list[str]:
    """Checkpoints or val scores to fit on, one per stream.

    Raises:
        UserError: a stream is a file of test scores, and its val scores are not given.
    """
    return [_val_path(path, given) for path, given in zip(request.paths, request.val_paths, strict=True)]


def _val_path(path: str, given: str | None) -> str:
    if given is not None:
        return given
    if Path(path).suffix in SUFFIXES:
        raise UserError(f"auto is fitted to the val split, but {path} has one split; give its val scores as val_path=.")
    if not path.endswith(".h5"):
        return path
    scores = Path(path).with_name("scores_val.h5")
    if not scores.exists():
        raise UserError(f"auto is fitted to the val split, but there is no {scores}; give the checkpoint or val_path=.")
    return str(scores)


def fuse(
    streams: Sequence[Scores],
    val_streams: Sequence[Scores],
    request: EvaluationRequest,
    clips: Mapping[str, Scores],
) -> Fused:
    """Fuse streams as requested.

    Args:
        streams: scores of the split to report.
        val_streams: scores of the val split by the same streams, if the request fits anything to it.
        request: fusion, weights and temperatures.
        clips: clips and actions of both splits, without scores, for ``fusion=route``.

    Raises:
        UserError: the streams do not match, or there are no labelled clips to fit on.
    """
    if request.fusion != "sum":
        total, groups = _by_group(streams, val_streams, request, clips)
        return Fused(total, [total], [1.0], groups)
    if not request.fits:
        assert request.weights != "auto"
        return _sum(streams, request.weights, request, {"weights_from": "the command"})
    temperatures = request.temperature == "auto"
    fitted = find_weights(val_streams, weights=request.weights, temperatures=temperatures, average=request.average)
    _log_fit(fitted, request)
    how: dict[str, Any] = {
        "weights_from": "val" if request.weights == "auto" else "the command",
        "temperature": fitted.temperature,
        "clips": fitted.clips,
        "step_from_equal": fitted.step,
        "top1_gain": fitted.gain,
        "loss_gain": fitted.loss_gain,
    }
    if temperatures:
        streams = [_divided(*pair) for pair in zip(streams, fitted.temperatures, strict=True)]
    return _sum(streams, fitted.weights, request, how)


def _sum(streams: Sequence[Scores], weights: list[float], request: EvaluationRequest, how: dict[str, Any]) -> Fused:
    if len(streams) == 1:
        return Fused(streams[0], [streams[0]], weights)
    total = combine(streams, weights, request.average)
    record = of_streams([one.source.record for one in streams], weights, average=request.average, **how)
    return Fused(replace(total, source=replace(total.source, record=record)), list(streams), weights)


def _log_fit(fitted: FittedWeights, request: EvaluationRequest) -> None:
    found = []
    if request.temperature == "auto":
        found.append("temperatures " + ", ".join(f"{value:.2f}" for value in fitted.temperatures))
    if request.weights == "auto":
        found.append("weights " + ", ".join(f"{value:.2f}" for value in fitted.weights))
    log.info(
        "%s, fitted on %d clips of the val split; on its held-out folds, Top-1 %+.2f points and loss %+.3f against %s",
        " and ".join(found), fitted.clips, fitted.gain, -fitted.loss_gain,
        "equal weights" if request.weights == "auto" else "no temperature",
    )  # fmt: skip


def _divided(scores: Scores, temperature: float) -> Scores:
    """Divide logits by a temperature, which is recorded."""
    record = {**scores.source.record, "divided_by": temperature, "temperature": 1.0}
    logits = (scores.logits / temperature).astype(np.float32)
    return replace(scores, logits=logits, source=replace(scores.source, record=record))


def _by_group(
    streams: Sequence[Scores],
    val_streams: Sequence[Scores],
    request: EvaluationRequest,
    clips: Mapping[str, Scores],
) -> tuple[Scores, Scores]:
    """Fuse a network of body groups with networks of actions; returns the result and the scores of the groups."""
    if request.temperature == "auto":
        temperatures = [fit_temperature(one) for one in val_streams]
        log.info("temperatures fitted on the val split: %s", ", ".join(f"{value:.2f}" for value in temperatures))
        streams, val_streams = (
            [_divided(*pair) for pair in zip(some, temperatures, strict=True)] for some in (streams, val_streams)
        )
    how: dict[str, Any] = {"fusion": request.fusion}
    if request.fusion == "route":
        total = routed(clips[request.split], streams)
        groups = groups_and_networks(total, streams)[0]
        val = routed(clips["val"], val_streams) if val_streams else None
    else:
        actions, groups = actions_and_groups(streams)
        weight = request.group_weight
        if weight == "auto":
            weight = find_weight(*actions_and_groups(val_streams))
        total = with_groups(actions, groups, weight)
        val = with_groups(*actions_and_groups(val_streams), weight) if val_streams else None
        how["group_weight"] = weight
        _log_group_weight(total, actions, weight)
    if val is not None:
        how["temperature"] = fit_temperature(val)
    record = of_streams([stream.source.record for stream in streams], [], **how)
    return replace(total, source=replace(total.source, record=record)), groups


def _log_group_weight(total: Scores, actions: Scores, weight: float | None) -> None:
    if (total.labels >= 0).any():
        log.info(
            "with the network of groups%s: Top-1 %.2f %%, %.2f %% without",
            "" if weight is None else f", weight {weight:g}",
            compute_metrics(total)["top1"], compute_metrics(actions)["top1"],
        )  # fmt: skip
