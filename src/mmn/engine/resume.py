"""What is asked and what a checkpoint was made with: each difference is carried out, or refused by name."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
from omegaconf import DictConfig

from mmn.data.format.skeletons import SkeletonData, digest
from mmn.engine.run_state import is_finished, last_checkpoint
from mmn.errors import UserError
from mmn.inference.checkpoint import KEY
from mmn.inference.weights_only import check_weights, read_checkpoint

log = logging.getLogger(__name__)

_PARTS = (
    "seed", "scale_lr", "optimized_metric", "data", "modality", "augmentation", "model", "loss", "optimizer",
    "scheduler", "trainer",
)  # fmt: skip
"""Parts of a config that decide what a run computes; the others (paths, loggers, …) may change freely."""

_FREE = (
    "data.path", "data.name", "data.get_it", "data.maker", "data.num_workers", "data.memory_limit_gb", "data.on_device",
    "data.modality", "data.augmentation", "data.seed",  # said by the parts they are taken from
    "data.target", "data.draw_seed", "data.train_splits", "data.fold_seed",  # said by the clips and classes
    "trainer.accelerator", "trainer.devices", "trainer.strategy", "trainer.num_nodes", "trainer.plugins",
    "trainer.log_every_n_steps", "trainer.enable_model_summary", "trainer.profiler", "trainer.default_root_dir",
    "trainer.num_sanity_val_steps", "trainer.sync_batchnorm", "trainer.deterministic", "trainer.callbacks",
)  # fmt: skip

_CARRIED_OUT = (
    "patience", "scale_lr", "augmentation", "loss", "optimizer", "scheduler", "data.batch_size", "processes",
    "trainer.max_epochs", "trainer.max_steps", "trainer.precision", "trainer.gradient_clip_val",
    "trainer.accumulate_grad_batches", "trainer.limit_train_batches", "trainer.limit_val_batches",
    "trainer.val_check_interval", "trainer.check_val_every_n_epoch",
)  # fmt: skip
"""What a run may go on with otherwise than it began."""

_NEEDED = {"state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks", "epoch", "global_step"}
"""What Lightning keeps to go on from."""

_NEEDS_WHOLE_EPOCH = ("data.batch_size", "processes", "trainer.accumulate_grad_batches", "trainer.limit_train_batches")


def record_of(cfg: dict[str, Any], data: SkeletonData, processes: int) -> dict[str, Any]:
    """What a run is made with, as plain values that a checkpoint keeps."""
    config = {part: cfg[part] for part in _PARTS if part in cfg}
    averaged = (cfg.get("callbacks") or {}).get("ema")  # the only callback that changes the weights
    config["callbacks"] = {"ema": averaged} if averaged else {}
    config["patience"] = ((cfg.get("callbacks") or {}).get("best") or {}).get("patience")
    return {"config": config, "data": digest(data, ["train"]), "processes": processes}


def check_resume(path: Path, record: dict[str, Any]) -> tuple[tuple[int, int], str]:
    """Compare what is asked with what the checkpoint's run was made with.

    Args:
        path: the checkpoint to resume from.
        record: of the run that is asked for; see ``record_of``.

    Returns:
        Where the run stands (epochs done, batches of the next one), and in words what it goes on with otherwise.

    Raises:
        UserError: a checkpoint of official weights, or of a run that differs in what cannot change on the way.
    """
    content = read_checkpoint(path)
    made = content.get(KEY, {}).get("run")
    if not made or "config" not in made:
        raise UserError(f"{path} does not say what its run was made with; start from its weights by init_from=.")
    if missing := sorted(_NEEDED - content.keys()):
        raise UserError(f"{path} lacks {missing[0]} and cannot be resumed; start from its weights by init_from=.")
    check_weights(content["state_dict"], str(path))
    epoch, batch = made["place"]
    changed = dict(_differences(made, record))
    for key, (before, now) in changed.items():
        if not _is_under(key, _CARRIED_OUT) or key.endswith("_target_"):
            raise UserError(
                f"{key} is {_shown(now)} and the run of {path} has {_shown(before)}, which cannot change on the way: "
                f"ask for {key}={_shown(before)}, or start from its weights by init_from=."
            )
        if batch and _is_under(key, _NEEDS_WHOLE_EPOCH) and _global_batch(made) != _global_batch(record):
            raise UserError(
                f"{key} is {_shown(now)} and the run of {path}, which stopped within an epoch, has {_shown(before)}: "
                f"resume with {_shown(before)} until that epoch ends."
            )
    if made["data"] != record["data"]:
        raise UserError(
            f"{path} was trained on other clips than {record['config']['data']['path']} holds; give data.path its own "
            "file, or start from its weights by init_from=."
        )
    return (epoch, batch), ", ".join(f"{key} {_shown(n)} (was {_shown(b)})" for key, (b, n) in changed.items())


def _differences(made: dict[str, Any], record: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    before = {**_flat(made["config"]), "processes": made["processes"]}
    now = {**_flat(record["config"]), "processes": record["processes"]}
    # The name of a choice before what follows from it.
    for key in sorted(before.keys() | now.keys(), key=lambda key: (not key.endswith((".name", "._target_")), key)):
        if before.get(key) != now.get(key) and not _is_under(key, _FREE):
            yield key, (before.get(key), now.get(key))


def _global_batch(record: dict[str, Any]) -> tuple[Any, ...]:
    """Clips of a batch over all processes, and what else decides where an epoch stands."""
    config = record["config"]
    trainer = config["trainer"]
    return (
        config["data"]["batch_size"] * record["processes"],
        trainer.get("accumulate_grad_batches", 1),
        trainer.get("limit_train_batches"),
    )


def _is_under(key: str, parts: tuple[str, ...]) -> bool:
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables and lists as ``{"a.b.0": value}``."""
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = {str(i): value for i, value in enumerate(content)}.items()
    else:
        return {prefix: content}
    return {k: v for key, value in items for k, v in _flat(value, f"{prefix}.{key}" if prefix else str(key)).items()}


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def checkpoint_to_resume(cfg: DictConfig, folder: Path) -> Path | None:
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


def place_of(resume: Path, record: dict[str, Any], trainer: L.Trainer, folder: Path) -> tuple[int, int] | None:
    """Epochs and batches that the run to resume has done; None where it has ended and left its results."""
    own = is_own(resume, folder)
    (epoch, batch), changed = check_resume(resume, record)
    over = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epoch
    if own and is_finished(folder):
        if not changed:
            return None
        if over:
            raise UserError(
                f"{folder} is finished and cannot change to {changed}; start another run, or raise trainer.max_epochs."
            )
    if over and not own:
        raise UserError(
            f"nothing is left to train: {resume} is at epoch {epoch} of {trainer.max_epochs}; raise "
            "trainer.max_epochs, or start from its weights by init_from=."
        )
    log.info("resuming %s in epoch %d%s", folder if own else resume, epoch + 1, f", with {changed}" if changed else "")
    return epoch, batch


def is_own(checkpoint: Path, folder: Path) -> bool:
    return checkpoint.resolve().parent == last_checkpoint(folder).resolve().parent
