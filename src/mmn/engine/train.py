"""One training run, from a composed config to its metrics."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.engine.build import build_best_epoch, build_datamodule, build_module, build_trainer
from mmn.engine.check import check_config, check_patience
from mmn.engine.data_warnings import warn_of
from mmn.engine.folders import discard_unused
from mmn.engine.loggers import WandbRun, build_loggers
from mmn.engine.processes import same_job_in_every_process
from mmn.engine.results import report
from mmn.engine.resume import changes_of, checkpoint_to_resume, is_in_run, resume_position, run_record
from mmn.engine.run_lock import held
from mmn.engine.run_state import check_vacant, clear, read_state, write_state
from mmn.engine.runtime import quiet_libraries, tune_runtime
from mmn.engine.start import begin, take_over_settings
from mmn.engine.sweep import optimises, refuse_selection_on_test, run_and_record
from mmn.errors import UserError
from mmn.inference.weights_only import read_checkpoint
from mmn.provenance import provenance
from mmn.reporting.curves import draw_curves
from mmn.reporting.dashboard import log_results
from mmn.training.best import BestEpoch
from mmn.training.guards import memory_explained
from mmn.training.module import MMNModule

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> float | None:
    """Train, then evaluate the best epoch on val and test.

    Writes to the run folder ``config.yaml`` (resolved), ``run.json``, ``checkpoints/``, ``metrics.csv``,
    ``curves.png``, ``metrics.json`` and the scores it comes from.

    Returns:
        The best value of ``cfg.optimized_metric``, for Hydra's sweepers; None if nothing was validated.

    Raises:
        UserError: an error in the config, the data or the checkpoint to resume from.
    """
    with same_job_in_every_process():
        return run_and_record(cfg, lambda: _train(cfg))


def _train(cfg: DictConfig) -> float | None:
    check_config(cfg)
    tune_runtime()
    quiet_libraries()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    folder = Path(cfg.paths.output_dir)
    take_over_settings(cfg, folder)
    datamodule = build_datamodule(cfg)
    datamodule.setup("fit")
    refuse_selection_on_test(cfg, datamodule)
    check_patience(cfg, datamodule.val_split)
    best_epoch = build_best_epoch(cfg)
    trainer = build_trainer(cfg, best_epoch)
    datamodule.check_batch(trainer.world_size)
    if trainer.is_global_zero:
        warn_of(datamodule.data)
    with held(folder, trainer.is_global_zero):
        value = _run(cfg, folder, datamodule, trainer, best_epoch)
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        discard_unused()
    return value


def _run(
    cfg: DictConfig, folder: Path, datamodule: SkeletonDataModule, trainer: L.Trainer, best_epoch: BestEpoch
) -> float | None:
    record = run_record(_plain(cfg), datamodule.data, trainer.world_size, datamodule.val_split)
    resume = checkpoint_to_resume(cfg, folder)
    redrawn = resume is not None and optimises() and is_in_run(resume, folder) and bool(changes_of(resume, record))
    if redrawn:  # an earlier job that had failed has changed what the search tries next
        log.info("%s was another trial; starting this one", folder)
        resume = None
    if resume is not None:
        place = resume_position(resume, record, trainer, folder)
        if place is None:
            log.info("%s is finished; nothing to resume", folder)
            return (read_state(folder).get("best") or {}).get("value")
        datamodule.place = place
    elif cfg.resume:
        log.info("no interrupted run of this command; starting one")
    module = build_module(cfg, datamodule, record)
    module.resumed_at = datamodule.place if resume else None
    starts_anew = resume is None or not is_in_run(resume, folder)
    if starts_anew and not redrawn and trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        check_vacant(folder)
    if resume is None and cfg.init_from is not None and is_in_run(Path(cfg.init_from), folder):
        raise UserError(f"init_from={cfg.init_from} is in this run's folder, which is cleared; move it elsewhere.")
    start = begin(cfg, module, resume)
    if trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        if starts_anew:
            clear(folder)
        val_split = datamodule.val_split
        selected_on = val_split and f"{val_split}/{cfg.optimized_metric.partition('/')[2]}"
        fold = {} if cfg.data.folds is None else {key: cfg.data[key] for key in ("folds", "fold", "fold_seed")}
        write_state(folder, state="running", selected_on=selected_on, **fold, **start)
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    loggers: list[Logger] = []
    if not trainer.fast_dev_run:  # type: ignore[attr-defined]
        step = read_checkpoint(resume)["global_step"] if resume and trainer.is_global_zero else None
        loggers = build_loggers(cfg, step)
    trainer.loggers = loggers
    try:
        return _fit(cfg, trainer, module, datamodule, best_epoch, resume)
    finally:
        for logger in loggers:
            if isinstance(logger, WandbRun):
                logger.finish(folder / "checkpoints")


def _fit(
    cfg: DictConfig, trainer: L.Trainer, module: MMNModule, datamodule: SkeletonDataModule, best_epoch: BestEpoch,
    resume: Path | None,
) -> float | None:  # fmt: skip
    folder = Path(cfg.paths.output_dir)
    parameters = sum(parameter.numel() for parameter in module.network.parameters())
    for logger in trainer.loggers:
        logger.log_hyperparams({**_plain(cfg), "parameters": parameters, "provenance": provenance()})
    if trainer.is_global_zero:
        log.info("%s parameters, %s clips; run folder %s", f"{parameters:,}", datamodule.modality.name, folder)
    if trainer.world_size > 1:
        settings = f"lr {cfg.optimizer.lr:.6g}, {datamodule.modality.name}, seed {cfg.seed}"
        log.info("process %s of %s: %s", trainer.global_rank + 1, trainer.world_size, settings)
    with memory_explained(datamodule.batch_size, str(cfg.trainer.precision)):
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, WeightAveraging):  # skipped if the checkpoint was the last epoch's; harmless twice
            callback.on_train_end(trainer, module)
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        log.info("one batch of each stage ran; nothing is kept")
        return None
    if trainer.is_global_zero and (folder / "metrics.csv").exists():
        draw_curves(folder / "metrics.csv", folder / "curves.png", datamodule.val_split or "val")
    if cfg.test:
        scores = report(trainer, module, datamodule, best_epoch, folder)
        for logger in trainer.loggers:
            if isinstance(logger, WandbRun) and trainer.is_global_zero:
                log_results(logger, scores, datamodule.data, worst=3 if logger.log_clips else 0)
    if trainer.is_global_zero:
        for logger in trainer.loggers:
            if isinstance(logger, WandbRun) and best_epoch.best is not None:
                logger.experiment.summary.update(
                    {f"best/{best_epoch.monitor}": best_epoch.best.value, "best/epoch": best_epoch.best.epoch}
                )
        write_state(folder, state="finished", epochs=trainer.current_epoch, **best_epoch.as_dict())
    return None if best_epoch.best is None else best_epoch.best.value


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]
