"""One evaluation, from a composed config to its result files."""

import logging
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig

from mmn.engine.evaluation_request import PLACEMENT, EvaluationRequest, read_request
from mmn.engine.processes import same_job_in_every_process
from mmn.engine.runtime import quiet_libraries, tune_runtime
from mmn.engine.streams import score_streams
from mmn.errors import UserError
from mmn.evaluation.analysis import analyse, baselines
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.errors import likely_label_errors
from mmn.evaluation.fit_weights import find_weights
from mmn.evaluation.folds import parts_of
from mmn.evaluation.foreign_files import SUFFIXES
from mmn.evaluation.hierarchy import actions_and_groups, find_weight, with_groups
from mmn.evaluation.predictions import labelled
from mmn.evaluation.probabilities import calibrated, write_probabilities
from mmn.evaluation.record import of_streams
from mmn.evaluation.scores import Scores, combine, compute_metrics, write_scores
from mmn.files import write_json
from mmn.reporting.table import print_by_group, print_metrics, print_predicted, print_streams

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig, request: EvaluationRequest | None = None) -> dict[str, dict[str, float]]:
    """Score one checkpoint, or an ensemble of streams, on one split.

    Writes to the run folder ``metrics.json``, ``analysis.json``, ``scores.h5``, ``probabilities.csv``,
    ``prediction.csv`` and ``prediction.zip``.

    Args:
        cfg: the composed config.
        request: the result of ``read_request(cfg)``, if already available.

    Returns:
        ``{split: {metric: value}}``, as in ``metrics.json``.

    Raises:
        UserError: a checkpoint, file or split that is missing or does not fit.
    """
    request = request or read_request(cfg)
    with same_job_in_every_process():
        return _evaluate(cfg, request)


def _evaluate(cfg: DictConfig, request: EvaluationRequest) -> dict[str, dict[str, float]]:
    tune_runtime()
    quiet_libraries()
    trainer = _trainer(cfg)
    if not trainer.is_global_zero:
        logging.getLogger("mmn").setLevel(logging.ERROR)  # only the first process logs
    streams = score_streams(request.paths, request.split, cfg, request, trainer)
    if request.fusion == "hierarchy":
        streams = [_with_groups(streams, cfg, request, trainer)]
    weights, found = _weights(cfg, request, trainer) if len(streams) > 1 else ([1.0], {})
    total = streams[0] if len(streams) == 1 else combine(streams, weights, request.average)
    if len(streams) > 1:
        records = [stream.source.record for stream in streams]
        record = of_streams(records, weights, average=request.average, **found)
        total = replace(total, source=replace(total.source, record=record))
    result = {request.split: compute_metrics(total)}
    if trainer.is_global_zero:
        folder = Path(cfg.paths.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", {**result, "about": total.source.record})
        analysis = {**analyse(total), "likely_label_errors": likely_label_errors(streams)}
        files = {file: compute_metrics(part) for file, part in parts_of(total, request.files).items()}
        write_json(folder / "analysis.json", {**analysis, "by_file": files})
        write_scores(folder / "scores.h5", total)
        write_probabilities(folder / "probabilities.csv", calibrated(total))
        write_predictions(folder, total)
        shutil.rmtree(folder / "streams", ignore_errors=True)  # from an earlier evaluation
        if len(streams) > 1:
            for number, stream in enumerate(streams, start=1):
                write_scores(folder / "streams" / f"{number}.h5", stream)
            print_streams(_ensembles(request, streams, weights), f"split {request.split}")
        if (total.labels < 0).any():
            print_predicted(total)
        known = labelled(total)
        guesses = baselines(known) if known.names else {}
        if len(request.files) > 1:
            print_streams({**files, "all": result[request.split]}, f"split {request.split}", "file")
        print_metrics({**result, **guesses}, f"split {request.split}")
        print_by_group(analysis.get("by_group") or {})
        print(f"written to {folder}")
    return result


def _with_groups(streams: list[Scores], cfg: DictConfig, request: EvaluationRequest, trainer: L.Trainer) -> Scores:
    """A network of actions and one of their body groups as one; the group's weight given or found on the val split."""
    actions, groups = actions_and_groups(streams)
    weight = request.group_weight
    if weight == "auto":
        weight = find_weight(*actions_and_groups(score_streams(request.paths, "val", cfg, request, trainer)))
    total = with_groups(actions, groups, weight)
    if (total.labels >= 0).any():
        log.info(
            "with the network of groups%s: Top-1 %.2f %%, %.2f %% without",
            "" if weight is None else f", weight {weight:g}",
            compute_metrics(total)["top1"], compute_metrics(actions)["top1"],
        )  # fmt: skip
    records = [stream.source.record for stream in (actions, groups)]
    record = of_streams(records, [], fusion=request.fusion, group_weight=weight)
    return replace(total, source=replace(total.source, record=record))


def _trainer(cfg: DictConfig) -> L.Trainer:
    """A trainer with only the device options of ``trainer``; the rest is for training."""
    devices = {key: cfg.trainer[key] for key in PLACEMENT if key in cfg.trainer}
    return instantiate(
        {"_target_": cfg.trainer._target_, **devices},
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        _convert_="all",
    )


def _weights(cfg: DictConfig, request: EvaluationRequest, trainer: L.Trainer) -> tuple[list[float], dict[str, Any]]:
    """One weight per stream (given, equal, or with ``auto`` fitted to the val split), and where they come from."""
    if request.weights != "auto":
        return request.weights, {"weights_from": "the command"}
    if len(request.paths) == 1:
        return [1.0], {}
    paths = []
    for path in request.paths:
        scores = path
        if Path(path).suffix in SUFFIXES:
            raise UserError(f"weights=auto needs scores of the val split too, and {path} has one split; give weights.")
        if path.endswith(".h5"):
            scores = str(Path(path).with_name("scores_val.h5"))
            if not Path(scores).exists():
                raise UserError(
                    f"weights=auto needs scores of the val split too, and there is no {scores}; give the checkpoint "
                    "or explicit weights."
                )
        paths.append(scores)
    fitted = find_weights(score_streams(paths, "val", cfg, request, trainer))
    log.info(
        "weights found on the val split, %d clips: %s; Top-1 %+.2f points over equal weights, on held-out folds of it",
        fitted.clips, ", ".join(f"{w:.2f}" for w in fitted.weights), fitted.gain,
    )  # fmt: skip
    how = {"weights_from": "val", "clips": fitted.clips, "step_from_equal": fitted.step, "top1_gain": fitted.gain}
    return fitted.weights, how


def _ensembles(request: EvaluationRequest, streams: list[Scores], weights: list[float]) -> dict[str, dict[str, float]]:
    """Metrics of each stream, of each pair at its relative weights, and of the full ensemble."""
    rows = {
        f"{i} {path}": compute_metrics(stream)
        for i, (path, stream) in enumerate(zip(request.paths, streams, strict=True), 1)
    }
    if len(streams) > 2:
        for i, j in combinations(range(len(streams)), 2):
            if weights[i] + weights[j] > 0:
                pair = combine([streams[i], streams[j]], [weights[i], weights[j]], request.average)
                rows[f"{i + 1} + {j + 1}"] = compute_metrics(pair)
    rows["all, " + " ".join(f"{w:.2f}" for w in weights)] = compute_metrics(combine(streams, weights, request.average))
    return rows
