"""One training run, from a composed config to its metrics."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.engine.check import check_config
from mmn.engine.loggers import MetricsCsv, WandbRun
from mmn.engine.processes import same_job_in_every_process
from mmn.engine.resume import check_resume, record_of
from mmn.engine.run_state import clear, is_finished, last_checkpoint, read_state, write_state
from mmn.engine.runtime import quiet_libraries, tune_runtime
from mmn.engine.scoring import score
from mmn.engine.sweep import recorded, refuse_selection_on_test
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, figures, write_json, write_scores
from mmn.inference.checkpoint import Description, load_checkpoint, load_network
from mmn.provenance import provenance
from mmn.reporting.curves import draw_curves
from mmn.reporting.dashboard import log_results
from mmn.reporting.table import print_figures
from mmn.training.best import BestEpoch
from mmn.training.guards import AtomicCheckpoints, memory_explained
from mmn.training.interruption import SaveWhenStopped
from mmn.training.module import MMNModule
from mmn.training.progress import EpochLines, LiveBar, Throughput, on_terminal

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> float | None:
    """Train, then evaluate the best epoch on val and test.

    Writes to the run folder ``config.yaml`` (resolved), ``run.json``, ``checkpoints/``, ``metrics.csv``,
    ``curves.png``, ``metrics.json`` and the scores it comes from.

    Returns:
        The best value of ``cfg.optimized_metric``, for Hydra's sweepers; None where nothing was validated.

    Raises:
        UserError: anything wrong with the config, the data or the checkpoint to resume from.
    """
    with same_job_in_every_process():
        return recorded(cfg, lambda: _train(cfg))


def _train(cfg: DictConfig) -> float | None:
    check_config(cfg)
    tune_runtime()
    quiet_libraries()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    folder = Path(cfg.paths.output_dir)
    datamodule = _datamodule(cfg)
    datamodule.setup("fit")
    refuse_selection_on_test(cfg, datamodule)
    judge = _judge(cfg)
    trainer = _trainer(cfg, judge)
    record = record_of(_plain(cfg), datamodule.data, trainer.world_size)
    resume = _checkpoint_to_resume(cfg, folder)
    if resume is not None:
        place = _place(resume, record, trainer, folder)
        if place is None:
            log.info("%s is finished; nothing to resume", folder)
            return (read_state(folder).get("best") or {}).get("value")
        datamodule.place = place
    module = build_module(cfg, datamodule, record)
    module.resumed_at = datamodule.place if resume else None
    if resume is None and cfg.init_from is not None:
        if _is_own(Path(cfg.init_from), folder):
            raise UserError(f"init_from={cfg.init_from} lies in the folder this run would empty; give another.")
        _take_weights(module, str(cfg.init_from))
    if trainer.is_global_zero:
        if resume is None or not _is_own(resume, folder):
            clear(folder)
        selected_on = f"{datamodule.val_split}/{cfg.optimized_metric.partition('/')[2]}"
        write_state(folder, state="running", selected_on=selected_on)
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    loggers: list[Logger] = []
    if not trainer.fast_dev_run:  # type: ignore[attr-defined]
        loggers = [instantiate(logger) for logger in (cfg.get("logger") or {}).values() if logger]
    trainer.loggers = loggers
    try:
        return _fit(cfg, trainer, module, datamodule, judge, resume)
    finally:
        for logger in loggers:
            if isinstance(logger, WandbRun):
                logger.finish(folder / "checkpoints")


def _datamodule(cfg: DictConfig) -> SkeletonDataModule:
    """The data; it is made where it is missing only at the place where it belongs, never at a mistyped one."""
    own_place = Path(cfg.paths.data_dir, f"{cfg.data.name}.h5")
    elsewhere = {} if Path(cfg.data.path) == own_place else {"maker": None}
    return instantiate(cfg.data, **elsewhere)


def build_module(cfg: DictConfig, datamodule: SkeletonDataModule, record: dict[str, Any] | None = None) -> MMNModule:
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
    optimizer = dict(cfg.optimizer)
    reference_batch = optimizer.pop("reference_batch", None)
    if cfg.scale_lr and reference_batch is None:
        raise UserError("scale_lr=true needs optimizer.reference_batch, the clips a step that optimizer.lr is for.")
    return MMNModule(
        network=network,
        loss=instantiate(cfg.loss),
        optimizer=instantiate(optimizer),
        scheduler=instantiate(cfg.scheduler),
        seed=cfg.seed,
        reference_batch=reference_batch if cfg.scale_lr else None,
        record=record,
        description=Description(
            datamodule.modality, data.layout, data.classes, datamodule.name or data.name, str(datamodule.path)
        ),
    )


def _take_weights(module: MMNModule, path: str) -> None:
    """Start from the weights of a checkpoint, ours or official, and nothing else of it.

    Raises:
        UserError: weights of a network of other sizes.
    """
    network = load_checkpoint(path).network
    ours, theirs = module.network.state_dict(), network.state_dict()
    different = [
        name for name in ours.keys() | theirs.keys()
        if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape
    ]  # fmt: skip
    if different:
        name = min(different)
        shapes = [tuple(state[name].shape) if name in state else "none" for state in (theirs, ours)]
        raise UserError(
            f"init_from={path} does not fit the network to be trained: {name} has shape {shapes[0]} there and "
            f"{shapes[1]} here; give weights of the same joints, classes and model.* sizes."
        )
    module.network.load_state_dict(theirs)
    log.info("starting from the weights of %s", path)


def _judge(cfg: DictConfig) -> BestEpoch:
    best = (cfg.get("callbacks") or {}).get("best")
    return BestEpoch(None, cfg.optimized_metric) if best is None else instantiate(best)


def _trainer(cfg: DictConfig, judge: BestEpoch) -> L.Trainer:
    callbacks: list[Callback] = [judge]
    callbacks += [
        instantiate(callback) for name, callback in (cfg.get("callbacks") or {}).items() if name != "best" and callback
    ]
    lines = [EpochLines(judge, quiet=on_terminal()), *([LiveBar()] if on_terminal() else [])]
    callbacks += [Throughput(), *lines]
    callbacks.sort(key=lambda c: isinstance(c, SaveWhenStopped))  # it saves what the others have done by then
    plugins = [AtomicCheckpoints(), *instantiate(cfg.trainer.plugins or [])]
    return instantiate(
        cfg.trainer,
        callbacks=callbacks,
        logger=False,
        plugins=plugins,
        enable_progress_bar=on_terminal(),
        _convert_="all",
    )


def _fit(
    cfg: DictConfig, trainer: L.Trainer, module: MMNModule, datamodule: SkeletonDataModule, judge: BestEpoch,
    resume: Path | None,
) -> float | None:  # fmt: skip
    folder = Path(cfg.paths.output_dir)
    parameters = sum(parameter.numel() for parameter in module.network.parameters())
    for logger in trainer.loggers:
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
    if trainer.fast_dev_run:  # type: ignore[attr-defined]
        log.info("one batch of everything ran; nothing is kept of it")
        return None
    if trainer.is_global_zero and (folder / "metrics.csv").exists():
        draw_curves(folder / "metrics.csv", folder / "curves.png")
    if cfg.test:
        scores = report(trainer, module, datamodule, judge, folder)
        for logger in trainer.loggers:
            if isinstance(logger, WandbRun) and trainer.is_global_zero:
                log_results(logger, scores, datamodule.data, worst=3 if logger.log_clips else 0)
    if trainer.is_global_zero:
        for logger in trainer.loggers:
            if isinstance(logger, WandbRun) and judge.best is not None:
                logger.experiment.summary.update(
                    {f"best/{judge.monitor}": judge.best.value, "best/epoch": judge.best.epoch}
                )
        write_state(folder, state="finished", epochs=trainer.current_epoch, **judge.as_dict())
    return None if judge.best is None else judge.best.value


def report(
    trainer: L.Trainer, module: MMNModule, datamodule: SkeletonDataModule, judge: BestEpoch, folder: Path
) -> dict[str, Scores]:
    """Score the best epoch (the last where none was kept) on the labelled clips of val and test.

    Writes ``metrics.json`` and ``scores_val.h5``, ``scores_test.h5``, and prints a table.
    """
    kept = judge.path if judge.path is not None and judge.best is not None else None
    network = load_network(kept) if kept else module.network
    checkpoints = (str(kept.resolve()),) if kept else ()
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
        print_figures(result, f"best epoch ({judge.best.epoch})" if kept and judge.best else "last epoch")
        print(f"written to {folder}")
    return found


def _checkpoint_to_resume(cfg: DictConfig, folder: Path) -> Path | None:
    """The checkpoint to resume from: the one given, or with ``resume`` this folder's own, if any."""
    if cfg.ckpt_path is not None:
        path = Path(cfg.ckpt_path)
        path = last_checkpoint(path) if path.is_dir() else path
        if not path.is_file():
            raise UserError(f"there is no checkpoint {path} to resume from; give ckpt_path the last.ckpt of a run.")
        return path
    if not cfg.resume:
        return None
    if last_checkpoint(folder).exists():
        return last_checkpoint(folder)
    log.info("no interrupted run of this command; starting one")
    return None


def _place(resume: Path, record: dict[str, Any], trainer: L.Trainer, folder: Path) -> tuple[int, int] | None:
    """Epochs and batches that the run to resume has done; None where it has ended and left its results."""
    own = _is_own(resume, folder)
    (epoch, batch), changed = check_resume(resume, record)
    over = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epoch
    if own and over and is_finished(folder):
        if changed:
            raise UserError(
                f"{folder} is finished and cannot change to {changed}; start another run, or raise trainer.max_epochs."
            )
        return None
    if over and not own:
        raise UserError(
            f"nothing is left to train: {resume} is at epoch {epoch} of {trainer.max_epochs}; raise "
            "trainer.max_epochs, or start from its weights by init_from=."
        )
    log.info("resuming %s in epoch %d%s", folder if own else resume, epoch + 1, f", with {changed}" if changed else "")
    return epoch, batch


def _is_own(checkpoint: Path, folder: Path) -> bool:
    return checkpoint.resolve().parent == last_checkpoint(folder).resolve().parent


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]
