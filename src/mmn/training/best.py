"""The best epoch: its metric, number and checkpoint, tracked in one place."""

import logging
import math
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
from lightning.pytorch.callbacks import Callback

from mmn.errors import UserError
from mmn.inference.weights_only import read_checkpoint

log = logging.getLogger(__name__)

LOWER_IS_BETTER = frozenset({"loss"})
"""Metrics, by the last part of their name, for which lower is better."""


class Validation(NamedTuple):
    """One validation: the monitored metric, the loss that breaks ties, and when it ran."""

    value: float
    loss: float
    epoch: int  # counted from 1
    step: int


class BestEpoch(Callback):
    """Saves a checkpoint whenever a validation sets a new best.

    The single source for everything that reports the best epoch: log lines, the final table, ``run.json``, the
    dashboard and the value returned to a sweeper.

    Args:
        path: the checkpoint to write; None to track metrics only.
        monitor: the metric, such as ``"val/top1"``; for losses, lower is better. Ties go to the lower ``val/loss``,
            then to the earlier epoch.
        patience: stop training after this many consecutive validations without a new best; None to never stop early.
    """

    def __init__(self, path: str | None, monitor: str, patience: int | None = None) -> None:
        if patience is not None and patience < 1:
            raise ValueError(f"patience is {patience}; it is a number of validations, or null")
        self.patience, self.without_new_best = patience, 0
        self.validations = 0
        self.path, self.monitor = None if path is None else Path(path), monitor
        self.sign = -1.0 if monitor.rpartition("/")[2] in LOWER_IS_BETTER else 1.0
        self.best: Validation | None = None
        self.latest: Validation | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare the latest validation with the best so far."""
        if trainer.sanity_checking:
            return
        metrics = trainer.callback_metrics
        if self.monitor not in metrics:
            raise UserError(
                f"optimized_metric={self.monitor} is not measured; validation measures "
                f"{', '.join(sorted(name for name in metrics if name.startswith('val/')))}."
            )
        self.latest = Validation(
            float(metrics[self.monitor]),
            float(metrics.get("val/loss", 0.0)),
            trainer.current_epoch + 1,
            trainer.global_step,
        )
        self.validations += 1
        self.without_new_best += 1
        again = self.latest == self.best  # resumed after a kill between best.ckpt and last.ckpt
        if self.best is None or again or self._rank(self.latest) > self._rank(self.best):
            self.best, self.without_new_best = self.latest, 0
            if self.path is not None and not trainer.fast_dev_run:  # type: ignore[attr-defined]
                trainer.save_checkpoint(self.path)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop training at the end of an epoch once patience is exhausted."""
        self._stop_if_exhausted(trainer)

    def _stop_if_exhausted(self, trainer: L.Trainer) -> None:
        if self.patience is not None and self.without_new_best >= self.patience:
            trainer.should_stop = True
            if trainer.is_global_zero:
                log.info("no new best in %d validations: stopping early", self.without_new_best)

    def _rank(self, validation: Validation) -> tuple[float, float]:
        value = self.sign * validation.value
        return value if math.isfinite(value) else -math.inf, -validation.loss

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """When resuming, restore the best epoch's checkpoint, and stop if the run had stopped early."""
        if trainer.ckpt_path is None:
            return
        self._stop_if_exhausted(trainer)
        if self.path is None:
            return
        if trainer.is_global_zero and not self.path.exists():
            beside = Path(trainer.ckpt_path).with_name(self.path.name)
            if self.best is not None and _saved_best(beside) == self.best:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(beside, self.path)
        trainer.strategy.barrier()
        found = _saved_best(self.path)
        if self.best is not None and found is None:
            log.warning(
                "The checkpoint of the best epoch so far (%d, %s %.2f) is not beside %s: tracking starts over.",
                self.best.epoch, self.monitor, self.best.value, trainer.ckpt_path,
            )  # fmt: skip
            self.validations = 0
        self.best = found  # after a kill the file may be from a later epoch than the checkpoint

    def as_dict(self) -> dict[str, Any]:
        """The best and the latest epoch, for ``run.json``."""
        validations = {"best": self.best, "last": self.latest}
        return {
            name: None if v is None else {"metric": self.monitor, "value": v.value, "epoch": v.epoch}
            for name, v in validations.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """The best so far and the latest as plain numbers, the number of validations, and those since the best."""
        validations = {"best": self.best, "latest": self.latest}
        kept = {name: list(one) if one else None for name, one in validations.items()}
        return {**kept, "validations": self.validations, "without_new_best": self.without_new_best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.best = Validation(*state_dict["best"]) if state_dict["best"] else None
        latest = state_dict.get("latest")  # checkpoints of earlier versions have none
        self.latest = Validation(*latest) if latest else None
        self.without_new_best = state_dict.get("without_new_best", 0)
        self.validations = state_dict.get("validations", self.latest.epoch if self.latest else 0)


def _saved_best(path: Path) -> Validation | None:
    """The best validation recorded in a checkpoint; None if there is no such file."""
    if not path.is_file():
        return None
    try:
        callbacks = read_checkpoint(path).get("callbacks", {})
    except UserError as error:  # the run itself is intact
        log.warning("%s", error)
        return None
    best = callbacks.get(BestEpoch.__name__, {}).get("best")
    return Validation(*best) if best else None
