"""One training run, from a composed config to its figures."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig, OmegaConf

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.engine.loggers import MetricsCsv
from mmn.engine.processes import same_job_in_every_process
from mmn.engine.run_folder import is_interrupted
from mmn.engine.runtime import quiet_libraries, tune_runtime
from mmn.engine.scoring import score
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, figures, write_json, write_scores
from mmn.inference.checkpoint import Description, load_network
from mmn.provenance import provenance
from mmn.reporting.curves import draw_curves
from mmn.reporting.dashboard import log_results
from mmn.reporting.table import print_figures
from mmn.training.guards import AtomicCheckpoints, memory_explained
from mmn.training.interruption import SaveWhenStopped
from mmn.training.module import MMNModule
from mmn.training.progress import EpochLines, LiveBar, Throughput, on_terminal

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> float | None:
    """Train, then evaluate the best epoch on val and test.

    Writes to the run folder ``config.yaml`` (resolved), ``checkpoints/``, ``metrics.csv``, ``curves.png``,
    ``metrics.json`` and the scores it comes from.

    Returns:
        The best value of ``cfg.optimized_metric``, for Hydra's sweepers; None where it was never measured.

    Raises:
        UserError: anything wrong with the config, the data or the checkpoint to resume from.
    """
    with same_job_in_every_process():
        return _train(cfg)


def _train(cfg: DictConfig) -> float | None:
    tune_runtime()
    quiet_libraries()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    folder = Path(cfg.paths.output_dir)
    if cfg.resume and (folder / "metrics.json").exists():
        log.info("%s is finished; nothing to resume", folder)
        return _finished_value(folder, cfg.optimized_metric)
    resume = _resume_path(cfg, folder)
    datamodule: SkeletonDataModule = instantiate(cfg.data)
    datamodule.setup("fit")
    module = build_module(cfg, datamodule)
    loggers: list[Logger] = [instantiate(logger) for logger in cfg.logger.values()]
    try:
        return _fit(cfg, module, datamodule, loggers, resume)
    finally:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # the next job in this process gets a run of its own


def build_module(cfg: DictConfig, datamodule: SkeletonDataModule) -> MMNModule:
    """The module to train; joint, class and coordinate counts come from the data file."""
    data = datamodule.data
    network = instantiate(
        cfg.model,
        num_joints=data.layout.num_joints,
        num_classes=len(data.classes.names),
        coordinates=data.coordinates,
        num_frames=datamodule.num_frames,
    )
    network.recompute = cfg.recompute
    if cfg.compile:
        network.compile_blocks()
    return MMNModule(
        network=network,
        loss=instantiate(cfg.loss),
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler),
        seed=cfg.seed,
        scale_lr=cfg.scale_lr,
        description=Description(
            datamodule.modality, data.layout, data.classes, datamodule.name or data.name, str(datamodule.path)
        ),
    )


def _fit(
    cfg: DictConfig, module: MMNModule, datamodule: SkeletonDataModule, loggers: list[Logger], resume: Path | None
) -> float | None:
    folder = Path(cfg.paths.output_dir)
    callbacks: list[Callback] = [instantiate(callback) for callback in cfg.callbacks.values()]
    best = next((c for c in callbacks if isinstance(c, ModelCheckpoint) and c.monitor == cfg.optimized_metric), None)
    callbacks += [Throughput(), LiveBar() if on_terminal() else EpochLines(cfg.optimized_metric)]
    callbacks.sort(key=lambda c: isinstance(c, SaveWhenStopped))  # it saves what the others have done by then
    plugins = [AtomicCheckpoints(), *instantiate(cfg.trainer.plugins or [])]
    trainer: L.Trainer = instantiate(
        cfg.trainer, callbacks=callbacks, logger=loggers, plugins=plugins, enable_progress_bar=on_terminal(),
        _convert_="all",
    )  # fmt: skip
    if trainer.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    parameters = sum(parameter.numel() for parameter in module.network.parameters())
    for logger in loggers:
        if resume and isinstance(logger, MetricsCsv) and trainer.is_global_zero:
            logger.resume_from(torch.load(resume, map_location="cpu", weights_only=True)["global_step"])
        logger.log_hyperparams({**_plain(cfg), "parameters": parameters, "provenance": provenance()})
    if trainer.is_global_zero:
        log.info("%s parameters, %s clips; run folder %s", f"{parameters:,}", datamodule.modality.name, folder)
    if trainer.world_size > 1:
        settings = f"lr {cfg.optimizer.lr:.6g}, {datamodule.modality.name}, seed {cfg.seed}"
        log.info("process %s of %s: %s", trainer.global_rank + 1, trainer.world_size, settings)

    with memory_explained(datamodule.batch_size, str(cfg.trainer.precision)):
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume)
    if trainer.is_global_zero and (folder / "metrics.csv").exists():
        draw_curves(folder / "metrics.csv", folder / "curves.png")
    if cfg.test:
        scores = report(trainer, module, datamodule, best.best_model_path if best else "", folder)
        for logger in loggers:
            if isinstance(logger, WandbLogger) and trainer.is_global_zero:
                log_results(logger, scores, datamodule.data)
    value = best.best_model_score if best else trainer.callback_metrics.get(cfg.optimized_metric)
    return None if value is None else float(value)


def report(
    trainer: L.Trainer, module: MMNModule, datamodule: SkeletonDataModule, best_path: str, folder: Path
) -> dict[str, Scores]:
    """Score the best epoch (the last where none was kept) on the labelled clips of val and test.

    Writes ``metrics.json`` and ``scores_val.h5``, ``scores_test.h5``, and prints a table.
    """
    network = load_network(best_path) if best_path else module.network
    checkpoints = (str(Path(best_path).resolve()),) if best_path else ()
    found: dict[str, Scores] = {}
    for split in ("val", "test"):
        clips = datamodule.data.splits.get(split)
        if clips is not None and clips.labelled.any():
            scores = score(trainer, network, datamodule, split)
            found[split] = replace(scores, source=replace(scores.source, checkpoints=checkpoints))
    if trainer.is_global_zero:
        for split, scores in found.items():
            write_scores(folder / f"scores_{split}.h5", scores)
        result = {split: figures(scores) for split, scores in found.items()}
        write_json(folder / "metrics.json", result)
        print_figures(result, "best epoch" if best_path else "last epoch")
        print(f"written to {folder}")
    return found


def _resume_path(cfg: DictConfig, folder: Path) -> Path | None:
    """The checkpoint to go on from: the one given, or with ``resume`` this folder's own, where there is one."""
    if cfg.ckpt_path is not None:
        if not Path(cfg.ckpt_path).is_file():
            raise UserError(
                f"there is no checkpoint {cfg.ckpt_path} to resume from; give ckpt_path the last.ckpt of a run."
            )
        return Path(cfg.ckpt_path)
    if not cfg.resume:
        return None
    if is_interrupted(folder):
        log.info("going on with %s", folder)
        return folder / "checkpoints" / "last.ckpt"
    log.info("no interrupted run of this command; starting one")
    return None


def _finished_value(folder: Path, metric: str) -> float | None:
    """``val/top1`` and its like of a finished run; of the test split where there was no val split."""
    figures_of = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    split, _, name = metric.partition("/")
    return figures_of.get(split, figures_of.get("test", {})).get(name)


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]
