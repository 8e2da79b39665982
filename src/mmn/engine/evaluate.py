"""One evaluation, from a composed config to its result files."""

import logging
import shutil
from itertools import combinations
from pathlib import Path

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig

from mmn.engine.evaluation_request import PLACEMENT, EvaluationRequest, read_request
from mmn.engine.fuse import fuse, val_paths
from mmn.engine.processes import same_job_in_every_process
from mmn.engine.runtime import quiet_libraries, tune_runtime
from mmn.engine.streams import clips_to_route, score_streams
from mmn.errors import UserError
from mmn.evaluation.analysis import analyse, baselines
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.errors import likely_label_errors
from mmn.evaluation.folds import parts_of
from mmn.evaluation.group_columns import group_metrics, group_scores
from mmn.evaluation.predictions import labelled
from mmn.evaluation.probabilities import calibrated, write_probabilities
from mmn.evaluation.scores import Scores, combine, compute_metrics, write_scores
from mmn.files import write_json
from mmn.reporting.table import print_by_group, print_group_columns, print_metrics, print_predicted, print_streams

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
        UserError: a checkpoint, file or split is missing or does not fit.
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
    splits = [request.split, *(["val"] if request.fits else [])]
    clips = {split: clips_to_route(request, split, cfg) for split in splits} if request.fusion == "route" else {}
    val_streams = score_streams(val_paths(request), "val", cfg, request, trainer) if request.fits else []
    scored = score_streams(request.paths, request.split, cfg, request, trainer)
    total, streams, weights, groups = fuse(scored, val_streams, request, clips)
    if request.groups != "action" and not total.classes.group_of_class:
        raise UserError(f"groups={request.groups} ranks body groups, but the classes have none; leave it out.")
    result = {request.split: compute_metrics(total)}
    if trainer.is_global_zero:
        folder = Path(cfg.paths.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", {**result, "about": total.source.record})
        analysis = {**analyse(total), "likely_label_errors": likely_label_errors(streams)}
        files = {file: compute_metrics(part) for file, part in parts_of(total, request.files).items()}
        by_way = group_metrics(calibrated(total), groups)
        write_json(folder / "analysis.json", {**analysis, "by_file": files, "group_columns": by_way})
        write_scores(folder / "scores.h5", total)
        write_probabilities(folder / "probabilities.csv", calibrated(total))
        ranked = None if request.groups == "action" else group_scores(calibrated(total), request.groups, groups)
        write_predictions(folder, total, ranked)
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
        if groups or request.groups != "action":
            print_group_columns(by_way)
        print_by_group(analysis.get("by_group") or {})
        print(f"written to {folder}")
    return result


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
