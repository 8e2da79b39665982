"""Check a composed training config before anything is read or written."""

import difflib
import logging
import math
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from mmn.engine.keys import given_keys
from mmn.errors import UserError

log = logging.getLogger(__name__)

METRICS = ("top1", "top5", "loss", "action_f1_macro", "action_f1_micro", "body_f1_macro", "body_f1_micro", "f1_mean")
"""Validation metrics, as ``val/NAME``; ``body_*`` only if the classes have groups."""

_WHOLE = (
    "trainer.log_every_n_steps", "trainer.accumulate_grad_batches", "data.batch_size", "data.num_workers",
    "data.num_frames",
)  # fmt: skip
"""Keys whose values are integers."""

_GPU_ONLY = ("16-true", "bf16-true", "16", "16-mixed")


def check_config(cfg: DictConfig) -> None:
    """Reject settings that would fail, or turn out to have been ignored, only hours later.

    Raises:
        UserError: names the key, its value and the valid values.
    """
    _check_seed(cfg.seed)
    _check_metric(cfg.optimized_metric)
    for group in ("trainer", "data", "model", "loss", "optimizer", "scheduler", "modality"):
        if cfg.get(group) is None:
            raise UserError(f"{group} is null and is required; choose one of configs/{group}.")
    if not isinstance(cfg.data.get("path", ""), str):
        raise UserError(f"data.path is {cfg.data.path}; give the path of a data file.")
    _check_numbers(cfg)
    _check_trainer(cfg)
    _check_start(cfg)
    _check_choices(cfg)


def _check_seed(seed: Any) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError(f"seed is {seed}; it must be an integer from 0 to {2**32 - 1}.")


def _check_metric(metric: Any) -> None:
    known = [f"val/{name}" for name in METRICS]
    if metric not in known:
        near = difflib.get_close_matches(str(metric), known, n=1, cutoff=0.4)
        raise UserError(
            f"optimized_metric is {metric}, which validation does not measure; "
            f"{f'did you mean {near[0]}? It' if near else 'it'} measures {', '.join(known)}."
        )


def _check_numbers(cfg: DictConfig) -> None:
    """Check the ranges of commonly changed numbers."""
    ranges: tuple[tuple[str, float, float], ...] = (
        ("optimizer.lr", 0, math.inf),
        ("optimizer.weight_decay", 0, math.inf),
        ("optimizer.layer_decay", 0, 1),
        ("loss.label_smoothing", 0, 1),
        ("loss.consistency_weight", 0, math.inf),
        ("scheduler.warmup_epochs", 0, math.inf),
        ("scheduler.warmup_lr", 0, math.inf),
        ("scheduler.min_lr", 0, math.inf),
        ("trainer.log_every_n_steps", 1, math.inf),
        ("trainer.accumulate_grad_batches", 1, math.inf),
        ("trainer.gradient_clip_val", 0, math.inf),
        ("data.batch_size", 1, math.inf),
        ("data.num_workers", 0, math.inf),
        ("data.num_frames", 1, math.inf),
        ("data.memory_limit_gb", 0, math.inf),
    )
    for key, low, high in ranges:
        value = OmegaConf.select(cfg, key)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            span = f"a number of at least {low}" if high == math.inf else f"a number from {low} to {high}"
            raise UserError(f"{key} is {value}; it must be {span}.")
        if key in _WHOLE and not isinstance(value, int):
            raise UserError(f"{key} is {value}; it must be an integer.")


def _check_trainer(cfg: DictConfig) -> None:
    trainer = cfg.trainer
    for key, instead in (
        ("limit_test_batches", "remove it: every clip is scored after training, or none with test=false"),
        ("overfit_batches", "use debug=overfit, which trains on one batch of clips"),
    ):
        value = trainer.get(key)
        whole = isinstance(value, float) and value == 1.0  # 1 is one batch, and 1.0 is all of them
        if value and not whole:
            raise UserError(f"trainer.{key} cannot be used here; {instead}.")
    cuda, accelerator = torch.cuda.is_available(), trainer.get("accelerator", "auto")
    if accelerator in ("gpu", "cuda") and not cuda:
        raise UserError(
            "trainer.accelerator=gpu needs a GPU, and torch finds none; use trainer=cpu or trainer=ddp_cpu."
        )
    precision = str(trainer.get("precision", 32))
    if precision in ("64", "64-true"):
        raise UserError("trainer.precision=64 is not supported: batches are float32; use 32 or bf16.")
    if precision in _GPU_ONLY and (accelerator == "cpu" or not cuda):
        raise UserError(f"trainer.precision={precision} needs a GPU; on a CPU use 32 or bf16.")
    if precision.startswith("bf16") and (accelerator == "cpu" or not cuda) and not _cpu_computes_in_bf16():
        log.warning("This CPU has no bf16 instructions, so trainer.precision=%s is slower than 32.", precision)
    if precision in ("16-true", "bf16-true"):
        raise UserError(f"trainer.precision={precision} would keep the weights in low precision; use 32, bf16 or 16.")
    if cfg.cuda_graphs and (accelerator == "cpu" or not cuda):
        raise UserError("cuda_graphs=true needs a GPU; leave it out.")
    if cfg.cuda_graphs and cfg.recompute:
        raise UserError("cuda_graphs=true cannot record recompute=true; leave one of them out.")
    if cfg.cuda_graphs and trainer.get("accumulate_grad_batches", 1) != 1:  # each replay overwrites the gradients
        raise UserError("cuda_graphs=true takes one batch per step; leave out trainer.accumulate_grad_batches.")
    for key in ("max_steps", "limit_train_batches"):
        if trainer.get(key) == 0:
            raise UserError(f"trainer.{key}=0 leaves nothing to train; leave it out, or score a checkpoint by eval.py.")
    epochs = trainer.get("max_epochs")
    valid = isinstance(epochs, int) and not isinstance(epochs, bool) and epochs >= 1
    if epochs is not None and not valid and trainer.get("max_steps", -1) == -1:
        raise UserError(f"trainer.max_epochs is {epochs}; it must be an integer of at least 1.")


def check_patience(cfg: DictConfig, val_split: str | None) -> None:
    """Refuse early stopping if nothing is validated."""
    patience = OmegaConf.select(cfg, "callbacks.best.patience")
    if patience is None and cfg.patience is not None:
        raise UserError(f"patience={cfg.patience} has no effect without callbacks.best; use callbacks=early_stopping.")
    if patience is None:
        return
    epochs, every = cfg.trainer.get("max_epochs") or math.inf, cfg.trainer.get("check_val_every_n_epoch", 1)
    reasons = {
        "data.train_splits leaves no split for it": val_split is None,
        "trainer.limit_val_batches=0": cfg.trainer.get("limit_val_batches") == 0,
        f"trainer.check_val_every_n_epoch={every} is more than trainer.max_epochs={epochs}": 0 < epochs < (every or 1),
    }
    if reason := next((text for text, holds in reasons.items() if holds), None):
        raise UserError(f"early stopping needs validation, but {reason}; leave out patience or early_stopping.")


def _cpu_computes_in_bf16() -> bool:
    tests = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(test is None or test() for test in tests)


def _check_start(cfg: DictConfig) -> None:
    """Check what a run starts from."""
    if cfg.freeze not in ("none", "body"):
        raise UserError(f"freeze is {cfg.freeze}; choose none, or body to train only the classifier.")
    for key, requested in (("transfer=true", cfg.transfer), ("freeze=body", cfg.freeze == "body")):
        if requested and cfg.init_from is None and cfg.ckpt_path is None:
            raise UserError(f"{key} needs weights to start from; give init_from=CKPT.")
    if cfg.init_layout is not None and not cfg.transfer:
        raise UserError(f"init_layout={cfg.init_layout} is only for transfer=true; add that, or leave it out.")


def _check_choices(cfg: DictConfig) -> None:
    """Check choices that contradict each other: recipes, folders, checkpoints."""
    if cfg.ckpt_path is not None and cfg.init_from is not None:
        raise UserError("ckpt_path resumes a run and init_from starts a new one from its weights; give only one.")
    if not HydraConfig.initialized():
        return
    hydra = HydraConfig.get()
    if hydra.job.chdir:
        raise UserError(
            "hydra.job.chdir=true is not supported: paths are relative to the working directory; leave it out."
        )
    given = given_keys()
    if "data.path" in given and "experiment" not in given:
        raise UserError(
            "data.path is given without an experiment, but the default one is for the synthetic demo: add "
            "experiment=own for your own data, or a published one, such as experiment=ma52_joint."
        )
