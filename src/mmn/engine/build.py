"""Build the data, module and trainer of a composed training config."""

from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, GradientAccumulationScheduler
from omegaconf import DictConfig

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.engine.networks import apply_training_options, build_network, stream_to_train
from mmn.errors import UserError
from mmn.training.best import BestEpoch
from mmn.training.guards import AtomicCheckpoints
from mmn.training.interruption import SaveOnSignal
from mmn.training.module import MMNModule
from mmn.training.progress import EpochLog, ProgressBar, Throughput, on_terminal


def build_datamodule(cfg: DictConfig) -> SkeletonDataModule:
    """The data; a missing file is generated only at its default path, never at a mistyped one."""
    default_path = Path(cfg.paths.data_dir, f"{cfg.data.name}.h5")
    options = {} if Path(cfg.data.path) == default_path else {"maker": None}
    return instantiate(cfg.data, **options)


def build_module(cfg: DictConfig, datamodule: SkeletonDataModule, record: dict[str, Any] | None = None) -> MMNModule:
    """The module to train; joint, class and coordinate counts come from the data file."""
    stream = stream_to_train(cfg.model, datamodule)
    network = build_network(stream.target, **stream.arguments)
    apply_training_options(network, cfg.compile, cfg.recompute)
    optimizer = dict(cfg.optimizer)
    reference_batch, layer_decay = optimizer.pop("reference_batch", None), optimizer.pop("layer_decay", 1.0)
    if cfg.scale_lr and reference_batch is None:
        raise UserError("scale_lr=true needs optimizer.reference_batch, the clips per step that optimizer.lr is for.")
    return MMNModule(
        network=network,
        loss=instantiate(cfg.loss),
        optimizer=instantiate(optimizer),
        scheduler=instantiate(cfg.scheduler),
        seed=cfg.seed,
        reference_batch=reference_batch if cfg.scale_lr else None,
        record=record,
        layer_decay=layer_decay,
        cuda_graphs=cfg.cuda_graphs,
        stream=stream,
    )


def build_best_epoch(cfg: DictConfig) -> BestEpoch:
    best = (cfg.get("callbacks") or {}).get("best")
    return BestEpoch(None, cfg.optimized_metric) if best is None else instantiate(best)


def build_trainer(cfg: DictConfig, best_epoch: BestEpoch) -> L.Trainer:
    callbacks: list[Callback] = [best_epoch]
    callbacks += [
        instantiate(callback) for name, callback in (cfg.get("callbacks") or {}).items() if name != "best" and callback
    ]
    if any(isinstance(callback, GradientAccumulationScheduler) for callback in callbacks):
        raise UserError(
            "GradientAccumulationScheduler changes the number of steps behind the learning-rate schedule; use "
            "trainer.accumulate_grad_batches instead."
        )
    lines = [EpochLog(best_epoch, quiet=on_terminal()), *([ProgressBar()] if on_terminal() else [])]
    callbacks += [Throughput(), *lines]
    callbacks.sort(key=lambda c: isinstance(c, SaveOnSignal))  # last: it saves the state of the others
    plugins = [AtomicCheckpoints(), *instantiate(cfg.trainer.plugins or [])]
    precision = str(cfg.trainer.get("precision", 32))
    return instantiate(
        cfg.trainer,
        precision=f"{precision}-mixed" if precision in ("16", "bf16") else precision,  # Lightning's names
        callbacks=callbacks,
        logger=False,
        plugins=plugins,
        enable_progress_bar=on_terminal(),
        _convert_="all",
    )
