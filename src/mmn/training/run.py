"""One training run, from a composed config to its figures."""

import logging
from pathlib import Path

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig, OmegaConf

from mmn.checkpoint import Description, load_network
from mmn.data.datamodule import SkeletonDataModule
from mmn.errors import UserError
from mmn.evaluation.scores import figures, write_json, write_scores
from mmn.evaluation.scoring import score
from mmn.processes import same_job_in_every_process
from mmn.reporting.table import print_figures
from mmn.runtime import quiet_libraries, tune_runtime
from mmn.training.module import MMNModule
from mmn.training.progress import EpochLines, on_terminal

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> float | None:
    """Train, then evaluate the best epoch on val and test.

    Writes to the run folder ``config.yaml`` (resolved), ``checkpoints/``, ``metrics.csv`` and ``metrics.json``.

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
    datamodule: SkeletonDataModule = instantiate(cfg.data)
    datamodule.setup("fit")
    module = build_module(cfg, datamodule)
    resume = _resume_path(cfg.ckpt_path)
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
    return MMNModule(
        network=network,
        loss=instantiate(cfg.loss),
        optimizer=instantiate(cfg.optimizer),
        scheduler=instantiate(cfg.scheduler),
        seed=cfg.seed,
        description=Description(
            datamodule.modality, data.layout, data.classes, datamodule.name or data.name, str(datamodule.path)
        ),
    )


def _fit(
    cfg: DictConfig, module: MMNModule, datamodule: SkeletonDataModule, loggers: list[Logger], resume: str | None
) -> float | None:
    folder = Path(cfg.paths.output_dir)
    callbacks: list[Callback] = [instantiate(callback) for callback in cfg.callbacks.values()]
    best = next((c for c in callbacks if isinstance(c, ModelCheckpoint) and c.monitor == cfg.optimized_metric), None)
    if not on_terminal():
        callbacks.append(EpochLines(cfg.optimized_metric))
    trainer: L.Trainer = instantiate(
        cfg.trainer, callbacks=callbacks, logger=loggers, enable_progress_bar=on_terminal(), _convert_="all"
    )
    if trainer.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
    parameters = sum(parameter.numel() for parameter in module.network.parameters())
    log.info("%s parameters, %s clips; run folder %s", f"{parameters:,}", datamodule.modality.name, folder)

    trainer.fit(module, datamodule=datamodule, ckpt_path=resume)
    if cfg.test:
        report(trainer, module, datamodule, best.best_model_path if best else "", folder)
    value = best.best_model_score if best else trainer.callback_metrics.get(cfg.optimized_metric)
    return None if value is None else float(value)


def report(
    trainer: L.Trainer, module: MMNModule, datamodule: SkeletonDataModule, best_path: str, folder: Path
) -> dict[str, dict[str, float]]:
    """Score the best epoch (the last where none was kept) on the labelled clips of val and test.

    Writes ``metrics.json`` and ``scores_val.h5``, ``scores_test.h5``, and prints a table.
    """
    network = load_network(best_path) if best_path else module.network
    result = {}
    for split in ("val", "test"):
        clips = datamodule.data.splits.get(split)
        if clips is not None and clips.labelled.any():
            scores = score(trainer, network, datamodule, split)
            result[split] = figures(scores)
            if trainer.is_global_zero:
                write_scores(folder / f"scores_{split}.h5", scores, {"checkpoint": best_path, "split": split})
    if trainer.is_global_zero:
        write_json(folder / "metrics.json", result)
        print_figures(result, "best epoch" if best_path else "last epoch")
        print(f"written to {folder}")
    return result


def _resume_path(path: str | None) -> str | None:
    if path is not None and not Path(path).is_file():
        raise UserError(f"there is no checkpoint {path} to resume from; give ckpt_path the last.ckpt of a run.")
    return path
