"""One evaluation, from a composed config to its files."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.preprocess import Training
from mmn.engine.networks import named_networks
from mmn.engine.processes import same_job_in_every_process
from mmn.engine.runtime import quiet_libraries, tune_runtime
from mmn.engine.scoring import score_views, test_time_views
from mmn.errors import UserError
from mmn.evaluation.analysis import analyse
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.errors import likely_label_errors
from mmn.evaluation.scores import Scores, combine, figures, read_scores, write_scores
from mmn.evaluation.weights import find_weights
from mmn.files import write_json
from mmn.inference.checkpoint import Checkpoint, check_fit, load_checkpoint
from mmn.reporting.table import print_figures, print_streams

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> dict[str, dict[str, float]]:
    """Score one checkpoint, or several streams as one, on one split.

    Writes to the run folder ``metrics.json``, ``analysis.json``, ``scores.h5``, ``prediction.csv`` and
    ``prediction.zip``.

    Returns:
        ``{split: {figure: value}}``, what ``metrics.json`` holds.

    Raises:
        UserError: a checkpoint, file or split that is missing or does not fit.
    """
    with same_job_in_every_process():
        return _evaluate(cfg)


def _evaluate(cfg: DictConfig) -> dict[str, dict[str, float]]:
    tune_runtime()
    quiet_libraries()
    paths = [str(p) for p in cfg.ckpt_path] if isinstance(cfg.ckpt_path, ListConfig) else [cfg.ckpt_path]
    if not paths or paths == [None]:
        raise UserError("there is nothing to evaluate; give ckpt_path=FILE or ckpt_path=[FILE,FILE].")
    views = test_time_views(cfg.tta.samplings, cfg.tta.flip)
    trainer: L.Trainer = instantiate(cfg.trainer, logger=False, enable_progress_bar=False, _convert_="all")
    if not trainer.is_global_zero:
        logging.getLogger("mmn").setLevel(logging.ERROR)  # the first process speaks
    streams = [_stream(path, cfg, trainer, cfg.split, views) for path in paths]
    weights = _weights(cfg, paths, trainer, views)
    total = streams[0] if len(streams) == 1 else combine(streams, weights)
    result = {cfg.split: figures(total)}
    if trainer.is_global_zero:
        folder = Path(cfg.paths.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", result)
        write_json(folder / "analysis.json", {**analyse(total), "likely_label_errors": likely_label_errors(streams)})
        write_scores(folder / "scores.h5", total)
        write_predictions(folder, total)
        shutil.rmtree(folder / "streams", ignore_errors=True)  # of an earlier evaluation
        if len(streams) > 1:
            for number, stream in enumerate(streams, start=1):
                write_scores(folder / "streams" / f"{number}.h5", stream)
            print_streams(_sums(paths, streams, weights), f"split {cfg.split}")
        print_figures({cfg.split: result[cfg.split]}, f"split {cfg.split}")
        print(f"written to {folder}")
    return result


def _stream(path: str, cfg: DictConfig, trainer: L.Trainer, split: str, views: Sequence[Training | None]) -> Scores:
    """Scores of a checkpoint, or those in a scores file."""
    if path.endswith(".h5"):
        return read_scores(Path(path), split)
    checkpoint = load_checkpoint(path, named_networks(cfg.get("model")))
    if checkpoint.stream is None and not _modality_chosen():
        raise UserError(
            f"{path} holds official weights, which do not say what they see; give experiment=ma52_joint or its like, "
            "or modality=, and data.path=."
        )
    datamodule = _datamodule(cfg, checkpoint)
    check_fit(path, checkpoint, datamodule.data, datamodule.path)
    log.info("%s: %s of %s, split %s", path, datamodule.modality.name, datamodule.path, split)
    looks = score_views(trainer, checkpoint.network, datamodule, split, str(cfg.precision), views)
    plain = looks[0]
    scores = replace(
        plain,
        logits=np.mean([look.logits for look in looks], axis=0),
        source=replace(plain.source, checkpoints=(str(Path(path).resolve()),)),
    )
    if len(looks) > 1 and (scores.labels >= 0).any():
        log.info(
            "%s views of each clip, %s times the work: Top-1 %.2f %% alone, %.2f %% averaged",
            len(looks), len(looks), figures(plain)["top1"], figures(scores)["top1"],
        )  # fmt: skip
    return scores


def _weights(cfg: DictConfig, paths: list[str], trainer: L.Trainer, views: Sequence[Training | None]) -> list[float]:
    """One for each stream: those given, equal ones, or with ``auto`` those that suit the val split."""
    if cfg.weights is None:
        return [1.0 / len(paths)] * len(paths)
    if cfg.weights != "auto":
        return [float(w) for w in cfg.weights]
    judged = []
    for path in paths:
        scores = path
        if path.endswith(".h5"):
            scores = str(Path(path).with_name("scores_val.h5"))
            if not Path(scores).exists():
                raise UserError(
                    f"weights=auto needs scores of the val split too: {scores} is not there; give the checkpoint, "
                    "or weights."
                )
        judged.append(_stream(scores, cfg, trainer, "val", views))
    weights = find_weights(judged)
    log.info("weights found on the val split: %s", ", ".join(f"{w:.2f}" for w in weights))
    return weights


def _sums(paths: list[str], streams: list[Scores], weights: list[float]) -> dict[str, dict[str, float]]:
    """Figures of every stream, of every pair with its share of the weights, and of all."""
    rows = {f"{i} {path}": figures(stream) for i, (path, stream) in enumerate(zip(paths, streams, strict=True), 1)}
    if len(streams) > 2:
        for i, j in combinations(range(len(streams)), 2):
            pair = combine([streams[i], streams[j]], [weights[i], weights[j]])
            rows[f"{i + 1} + {j + 1}"] = figures(pair)
    rows["all, " + " ".join(f"{w:.2f}" for w in weights)] = figures(combine(streams, weights))
    return rows


def _modality_chosen() -> bool:
    """Whether the command line names a modality, or an experiment that does."""
    return any(override.startswith(("experiment=", "modality=")) for override in HydraConfig.get().overrides.task)


def _datamodule(cfg: DictConfig, checkpoint: Checkpoint) -> SkeletonDataModule:
    """The data the checkpoint was trained on; an official one does not say, so the experiment decides."""
    options: dict[str, Any] = {"num_frames": checkpoint.arguments["num_frames"], "maker": None}
    options["path"] = cfg.data.path or f"{cfg.paths.data_dir}/{cfg.data.name}.h5"
    if checkpoint.stream is not None:
        options["modality"] = checkpoint.stream.modality
        options["path"] = cfg.data.path or checkpoint.stream.data_path
    return instantiate(cfg.data, **options)
