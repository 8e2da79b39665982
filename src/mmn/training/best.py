"""The best epoch: its figure, its number and its file, kept in one place."""

import logging
import math
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from mmn.errors import UserError

log = logging.getLogger(__name__)

LOWER_IS_BETTER = frozenset({"loss"})
"""Figures, by the last part of their name, of which less is better."""


class Judged(NamedTuple):
    """One validation: the figure epochs are compared by, the loss that decides between equals, and when it was."""

    value: float
    loss: float
    epoch: int  # counted from 1
    step: int


class BestEpoch(Callback):
    """Saves a checkpoint whenever a validation ends with the best figure so far.

    Everything that speaks of the best epoch asks this object: the lines of the log, the final table, ``run.json``, the
    dashboard and the value a sweeper is given.

    Args:
        path: the checkpoint to write; None to keep the figures alone.
        monitor: the figure, such as ``"val/top1"``; of losses the least is best. Of equals the lower ``val/loss`` wins,
            then the earlier epoch.
        patience: end training after so many validations in a row without a new best; None to go on.
    """

    def __init__(self, path: str | None, monitor: str, patience: int | None = None) -> None:
        if patience is not None and patience < 1:
            raise ValueError(f"patience is {patience}; it is a number of validations, or null")
        self.patience, self.without_new_best = patience, 0
        self.path, self.monitor = None if path is None else Path(path), monitor
        self.sign = -1.0 if monitor.rpartition("/")[2] in LOWER_IS_BETTER else 1.0
        self.best: Judged | None = None
        self.latest: Judged | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Judge what has just been measured."""
        if trainer.sanity_checking:
            return
        figures = trainer.callback_metrics
        if self.monitor not in figures:
            raise UserError(
                f"optimized_metric={self.monitor} is not measured; validation measures "
                f"{', '.join(sorted(name for name in figures if name.startswith('val/')))}."
            )
        self.latest = Judged(
            float(figures[self.monitor]),
            float(figures.get("val/loss", 0.0)),
            trainer.current_epoch + 1,
            trainer.global_step,
        )
        self.without_new_best += 1
        if self.best is None or self._rank(self.latest) > self._rank(self.best):
            self.best, self.without_new_best = self.latest, 0
            if self.path is not None and not trainer.fast_dev_run:  # type: ignore[attr-defined]
                trainer.save_checkpoint(self.path)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End training at the end of an epoch, where patience has."""
        if self.patience is not None and self.without_new_best >= self.patience:
            trainer.should_stop = True
            if trainer.is_global_zero:
                log.info("no new best in %d validations: training ends", self.without_new_best)

    def _rank(self, judged: Judged) -> tuple[float, float]:
        value = self.sign * judged.value
        return value if math.isfinite(value) else -math.inf, -judged.loss

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Of a run that is resumed, make sure that the file is the best epoch's."""
        if trainer.ckpt_path is None or self.path is None:
            return
        if trainer.is_global_zero and not self.path.exists():
            beside = Path(trainer.ckpt_path).with_name(self.path.name)
            if self.best is not None and _recorded(beside) == self.best:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(beside, self.path)
        trainer.strategy.barrier()
        found = _recorded(self.path)
        if self.best is not None and found is None:
            log.warning(
                "The best epoch so far (%d, %s %.2f) is not beside %s: the best is found anew from here.",
                self.best.epoch, self.monitor, self.best.value, trainer.ckpt_path,
            )  # fmt: skip
        self.best = found  # after a kill the file may be of a later epoch than the checkpoint resumed from

    def as_dict(self) -> dict[str, Any]:
        """The best and the latest epoch, for ``run.json``."""
        judged = {"best": self.best, "last": self.latest}
        return {
            name: None if one is None else {"metric": self.monitor, "value": one.value, "epoch": one.epoch}
            for name, one in judged.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """The best so far, as plain numbers."""
        return {"best": list(self.best) if self.best else None, "without_new_best": self.without_new_best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.best = Judged(*state_dict["best"]) if state_dict["best"] else None
        self.without_new_best = state_dict.get("without_new_best", 0)


def _recorded(path: Path) -> Judged | None:
    """The epoch that a checkpoint was saved for as the best; None without such a file."""
    if not path.is_file():
        return None
    callbacks = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get("callbacks", {})
    best = callbacks.get(BestEpoch.__name__, {}).get("best")
    return Judged(*best) if best else None
