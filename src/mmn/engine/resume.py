"""Resuming: settings that differ from the checkpoint's are applied, or rejected if they cannot change."""

import logging
import math
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
    "scheduler", "trainer", "freeze",
)  # fmt: skip
"""Config parts that determine what a run computes; the others (paths, loggers, …) may change freely."""

_IGNORED = (
    "data.path", "data.name", "data.get_it", "data.maker", "data.num_workers", "data.memory_limit_gb", "data.on_device",
    "data.modality", "data.augmentation", "data.seed",  # covered by the groups they come from
    "data.target", "data.draw_seed", "data.train_splits", "data.fold_seed",  # covered by the digest of the clips
    "trainer.accelerator", "trainer.devices", "trainer.strategy", "trainer.num_nodes", "trainer.plugins",
    "trainer.log_every_n_steps", "trainer.enable_model_summary", "trainer.profiler", "trainer.default_root_dir",
    "trainer.num_sanity_val_steps", "trainer.sync_batchnorm", "trainer.deterministic", "trainer.callbacks",
)  # fmt: skip

_CHOOSING_CLIPS = ("target", "draw_seed", "train_splits", "fold_seed")
"""Keys of ``data`` that may differ as long as the training clips do not."""

_CHANGEABLE = (
    "patience", "scale_lr", "augmentation", "loss", "optimizer", "scheduler", "data.batch_size", "processes",
    "trainer.max_epochs", "trainer.max_steps", "trainer.precision", "trainer.gradient_clip_val",
    "trainer.accumulate_grad_batches", "trainer.limit_train_batches",
    "trainer.val_check_interval", "trainer.check_val_every_n_epoch",
)  # fmt: skip
"""Keys that may change when a run is resumed."""

_FIXED = ("optimizer.layer_decay",)
"""Exceptions below those keys, which may not change."""

_WITHOUT = {"freeze": "none", "optimizer.layer_decay": 1.0}
"""Values to assume for keys that did not exist when the checkpoint was written."""

_NEEDED = {
    "state_dict": dict, "optimizer_states": list, "lr_schedulers": list, "loops": dict, "callbacks": dict,
    "epoch": int, "global_step": int,
}  # fmt: skip
"""Entries that Lightning needs to resume, and their types."""

_NEEDS_WHOLE_EPOCH = ("data.batch_size", "processes", "trainer.accumulate_grad_batches", "trainer.limit_train_batches")


def run_record(cfg: dict[str, Any], data: SkeletonData, processes: int, val_split: str | None) -> dict[str, Any]:
    """The settings of a run, as plain values to keep in its checkpoints."""
    config = {part: cfg[part] for part in _PARTS if part in cfg}
    averaged = (cfg.get("callbacks") or {}).get("ema")  # the only callback that affects the weights
    config["callbacks"] = {"ema": averaged} if averaged else {}
    config["patience"] = ((cfg.get("callbacks") or {}).get("best") or {}).get("patience")
    validation = val_split and [val_split, digest(data, [val_split])]
    return {"config": config, "data": digest(data, ["train"]), "validation": validation, "processes": processes}


def check_resume(path: Path, record: dict[str, Any]) -> tuple[tuple[int, int], str]:
    """Compare the requested settings with those of the checkpoint's run.

    Args:
        path: the checkpoint to resume from.
        record: the requested settings; see ``run_record``.

    Returns:
        The position (epochs done, batches of the next one), and a description of the changed settings.

    Raises:
        UserError: official weights, or a difference in a setting that cannot change when resuming.
    """
    content = read_checkpoint(path)
    saved = content.get(KEY, {}).get("run")
    if not saved or "config" not in saved:
        raise UserError(f"{path} does not record the settings of its run; start from its weights with init_from=.")
    if missing := sorted(_NEEDED.keys() - content.keys()):
        raise UserError(f"{path} lacks {missing[0]} and cannot be resumed; start from its weights with init_from=.")
    damaged = [name for name, kind in _NEEDED.items() if not isinstance(content[name], kind)]
    if damaged or not all(isinstance(state, dict) and "param_groups" in state for state in content["optimizer_states"]):
        name = damaged[0] if damaged else "optimizer_states"
        raise UserError(f"{path} is damaged ({name}) and cannot be resumed; start from best.ckpt with init_from=.")
    check_weights(content["state_dict"], str(path))
    epoch, batch = saved["place"]
    changed = dict(_differences(saved, record))
    for key, (before, now) in changed.items():
        kind = key.endswith("_target_") and not key.startswith("augmentation.")
        if not _is_under(key, _CHANGEABLE) or _is_under(key, _FIXED) or kind:
            raise UserError(
                f"{key} is {_shown(now)}, but the run of {path} has {_shown(before)}, which resuming cannot change: "
                f"{_advice(key, before)}, or start from its weights with init_from=."
            )
        if batch and _is_under(key, _NEEDS_WHOLE_EPOCH) and _global_batch(saved) != _global_batch(record):
            raise UserError(
                f"{key} is {_shown(now)}, but the run of {path}, which stopped mid-epoch, has {_shown(before)}: "
                f"resume with {_shown(before)} until that epoch ends."
            )
    if saved["data"] != record["data"]:
        was, now = (run["config"]["data"] for run in (saved, record))
        set_to = [f"data.{key}={_shown(was.get(key))}" for key in _CHOOSING_CLIPS if was.get(key) != now.get(key)]
        raise UserError(
            f"{path} was not trained on these clips of {record['config']['data']['path']}; set "
            f"{' and '.join(set_to) or 'data.path to its own file'}, or start from its weights with init_from=."
        )
    if "validation" in saved and saved["validation"] != record["validation"]:  # not in earlier versions
        splits = [one and one[0] for one in (saved["validation"], record["validation"])]
        before, now = (f"split {split}" if split else "no clips" for split in splits)
        raise UserError(
            f"the run of {path} was validated on other clips ({before}, now {now}), which does not compare: "
            "restore them, or start from its weights with init_from=."
        )
    return (epoch, batch), ", ".join(f"{key} {_shown(n)} (was {_shown(b)})" for key, (b, n) in changed.items())


def changes_of(path: Path, record: dict[str, Any]) -> list[str]:
    """The requested settings that differ from those of the run of a checkpoint; none if it records no settings."""
    saved = read_checkpoint(path).get(KEY, {}).get("run")
    return [key for key, _ in _differences(saved, record)] if saved and "config" in saved else []


def _differences(saved: dict[str, Any], record: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    before = {**_WITHOUT, **_flat(saved["config"]), "processes": saved["processes"]}
    now = {**_WITHOUT, **_flat(record["config"]), "processes": record["processes"]}
    # Names of group choices first, before the keys that follow from them.
    for key in sorted(before.keys() | now.keys(), key=lambda key: (not key.endswith((".name", "._target_")), key)):
        if before.get(key) != now.get(key) and not _is_under(key, _IGNORED):
            yield key, (before.get(key), now.get(key))


def _advice(key: str, before: Any) -> str:
    if key.startswith("callbacks.ema"):
        return "give callbacks=ema" if before is not None else "leave callbacks=ema out"
    return f"set {key}={_shown(before)}"


def _global_batch(record: dict[str, Any]) -> tuple[Any, ...]:
    """Clips per batch over all processes, and what else determines the position within an epoch."""
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
    """Nested dicts and lists as ``{"a.b.0": value}``."""
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = {str(i): value for i, value in enumerate(content)}.items()
    else:
        return {prefix: content}
    return {k: v for key, value in items for k, v in _flat(value, f"{prefix}.{key}" if prefix else str(key)).items()}


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value).replace(" ", "")


def checkpoint_to_resume(cfg: DictConfig, folder: Path) -> Path | None:
    """The checkpoint to resume from: the given one, or with ``resume`` the one in this folder, if any."""
    if cfg.ckpt_path is not None:
        path = Path(cfg.ckpt_path)
        path = last_checkpoint(path) if path.is_dir() else path
        if not path.is_file():
            raise UserError(f"there is no checkpoint {path} to resume from; set ckpt_path to the last.ckpt of a run.")
        return path
    if not cfg.resume:
        return None
    return last_checkpoint(folder) if last_checkpoint(folder).exists() else None


def resume_position(resume: Path, record: dict[str, Any], trainer: L.Trainer, folder: Path) -> tuple[int, int] | None:
    """Epochs and batches done by the run to resume; None if it is already finished."""
    own = is_in_run(resume, folder)
    (epoch, batch), changed = check_resume(resume, record)
    asked = trainer.max_epochs if trainer.max_epochs is not None and trainer.max_epochs >= 0 else math.inf
    over = asked <= epoch
    if own and is_finished(folder):
        if not changed:
            return None
        if over:
            raise UserError(
                f"{folder} is finished and cannot change to {changed}; start another run, or raise trainer.max_epochs."
            )
    if (over and not own) or asked < epoch + (batch > 0):
        raise UserError(
            f"nothing is left to train: {resume} is {f'in epoch {epoch + 1}' if batch else f'at epoch {epoch}'} of "
            f"{trainer.max_epochs}; raise trainer.max_epochs, or start from its weights with init_from=."
        )
    log.info("resuming %s in epoch %d%s", folder if own else resume, epoch + 1, f", with {changed}" if changed else "")
    return epoch, batch


def is_in_run(checkpoint: Path, folder: Path) -> bool:
    """Whether a checkpoint is in this run folder."""
    return checkpoint.resolve().parent == last_checkpoint(folder).resolve().parent
