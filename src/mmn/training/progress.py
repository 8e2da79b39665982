"""Training progress: a live bar on a terminal, and one log line per epoch."""

import logging
import math
import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.utilities import rank_zero_only

from mmn.training.best import BestEpoch, Validation

log = logging.getLogger(__name__)


def on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


class Throughput(Callback):
    """Logs ``clips/s`` of the training steps of each epoch, over all processes; validation is not counted."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._clips = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count clips; the first step of an epoch only starts the clock, since it includes start-up time."""
        now = time.monotonic()
        if self._started is None:
            self._started, self._clips = now, 0
            return
        self._clips += len(batch.labels) * trainer.world_size
        if batch_idx + 1 == trainer.num_training_batches:
            pace = self._clips / max(now - self._started, 1e-9)
            pl_module.log("clips/s", pace, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True, batch_size=1)
            self._started = None


class ProgressBar(RichProgressBar):
    """Lightning's bar, with the time left for the whole run."""

    def __init__(self) -> None:
        super().__init__()
        self._since: tuple[float, int] | None = None  # time and step at which the clock started

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """The metrics beside the bar."""
        metrics: dict[str, Any] = {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}
        self._since = self._since or (time.monotonic(), trainer.global_step)
        if (left := remaining(trainer, *self._since)) is not None:
            metrics["left"] = left
        return metrics


class EpochLog(Callback):
    """Logs one line per epoch: losses, the monitored metric, the time taken and the time left.

    Args:
        best_epoch: tracks the best epoch.
        quiet: write to log files only, such as beside a progress bar.
    """

    def __init__(self, best_epoch: BestEpoch, quiet: bool = False) -> None:
        self.best_epoch, self.quiet = best_epoch, quiet
        self._logged: Validation | None = None
        self._started = 0.0
        self._since = (0.0, 0)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clocks; a resumed run may start mid-epoch."""
        self._started = time.monotonic()
        self._since = self._started, trainer.global_step
        self._logged = self.best_epoch.latest  # that of an epoch before a resumed run's first

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the line; metrics of an earlier validation are not repeated."""
        metrics, latest, best = trainer.callback_metrics, self.best_epoch.latest, self.best_epoch.best
        epoch = trainer.current_epoch + 1
        bounded = (trainer.max_epochs or -1) > 0
        parts = [f"epoch {epoch}/{trainer.max_epochs}" if bounded else f"epoch {epoch}"]
        means: Any = pl_module.epoch_means
        if "train/loss" in metrics and not means.totals:  # else the epoch was cut short, and this is an older one's
            parts.append(f"train loss {float(metrics['train/loss']):.4f}")
        if latest is not None and best is not None and latest is not self._logged:
            if "val/loss" in metrics:
                parts.append(f"val loss {latest.loss:.4f}")
            parts.append(f"{self.best_epoch.monitor} {latest.value:.2f} (best {best.value:.2f}, epoch {best.epoch})")
            self._logged = latest
        parts.append(f"{time.monotonic() - self._started:.1f} s")
        if "clips/s" in metrics:
            parts.append(f"{float(metrics['clips/s']):.0f} clips/s")
        if (left := remaining(trainer, *self._since)) is not None:
            parts.append(f"{left} left")
        log_line(" · ".join(parts), quiet=self.quiet)


def log_line(text: str, quiet: bool = False) -> None:
    """Log a line to the run's log files and, unless ``quiet``, to the terminal."""
    if not quiet:
        log.info("%s", text)
        return
    record = log.makeRecord(log.name, logging.INFO, __file__, 0, text, (), None)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.emit(record)


def remaining(trainer: L.Trainer, since: float, first_step: int) -> str | None:
    """Estimated time left, at the pace since ``first_step``; None before the first step is done and after the last."""
    done = trainer.global_step - first_step
    total = trainer.estimated_stepping_batches
    if done < 1 or total == math.inf or trainer.global_step >= total:
        return None
    seconds = (time.monotonic() - since) / done * (total - trainer.global_step)
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"
