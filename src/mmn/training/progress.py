"""What is seen while training: a live bar on a terminal, a plain line an epoch in a log file."""

import logging
import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.utilities import rank_zero_only

from mmn.training.best import BestEpoch, Judged

log = logging.getLogger(__name__)


def on_terminal() -> bool:
    """Whether somebody watches."""
    return sys.stdout.isatty()


class Throughput(Callback):
    """Logs ``clips/s`` of the training steps of each epoch, over all processes; validation is not counted."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._clips = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count; the first step of an epoch starts the clock, since it also waits for what came before."""
        now = time.monotonic()
        if self._started is None:
            self._started, self._clips = now, 0
            return
        self._clips += len(batch.labels) * trainer.world_size
        if batch_idx + 1 == trainer.num_training_batches:
            pace = self._clips / max(now - self._started, 1e-9)
            pl_module.log("clips/s", pace, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
            self._started = None


class LiveBar(RichProgressBar):
    """Lightning's bar, and how long the whole run will take."""

    def __init__(self) -> None:
        super().__init__()
        self._since: tuple[float, int] | None = None  # time and step the clock was started at

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """The figures beside the bar."""
        figures: dict[str, Any] = {k: v for k, v in super().get_metrics(trainer, pl_module).items() if k != "v_num"}
        self._since = self._since or (time.monotonic(), trainer.global_step)
        if (left := remaining(trainer, *self._since)) is not None:
            figures["left"] = left
        return figures


class EpochLines(Callback):
    """One plain line an epoch: losses, the figure epochs are judged by, the time it took and what is left.

    It goes to the run's log, and to the terminal where no bar moves there.

    Args:
        judge: knows the best epoch.
        quiet: write to log files alone.
    """

    def __init__(self, judge: BestEpoch, quiet: bool = False) -> None:
        self.judge, self.quiet = judge, quiet
        self._told: Judged | None = None
        self._started = 0.0
        self._since = (0.0, 0)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clocks, in the middle of an epoch where a run goes on there."""
        self._started = time.monotonic()
        self._since = self._started, trainer.global_step

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the line; figures of an earlier validation are not repeated."""
        figures, judged, best = trainer.callback_metrics, self.judge.latest, self.judge.best
        epoch = trainer.current_epoch + 1
        parts = [f"epoch {epoch}/{trainer.max_epochs}"]
        if "train/loss" in figures:
            parts.append(f"train loss {float(figures['train/loss']):.4f}")
        if judged is not None and best is not None and judged is not self._told:
            if "val/loss" in figures:
                parts.append(f"val loss {judged.loss:.4f}")
            parts.append(f"{self.judge.monitor} {judged.value:.2f} (best {best.value:.2f}, epoch {best.epoch})")
            self._told = judged
        parts.append(f"{time.monotonic() - self._started:.1f} s")
        if "clips/s" in figures:
            parts.append(f"{float(figures['clips/s']):.0f} clips/s")
        if epoch != trainer.max_epochs and (left := remaining(trainer, *self._since)) is not None:
            parts.append(f"{left} left")
        tell(" · ".join(parts), quiet=self.quiet)


def tell(text: str, quiet: bool = False) -> None:
    """A line in the run's log and, unless ``quiet``, on the terminal."""
    if not quiet:
        log.info("%s", text)
        return
    record = log.makeRecord(log.name, logging.INFO, __file__, 0, text, (), None)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.emit(record)


def remaining(trainer: L.Trainer, since: float, first_step: int) -> str | None:
    """Time that the rest of the run will take, at the pace since ``first_step``; None before there is one."""
    done = trainer.global_step - first_step
    if done < 1 or not trainer.max_epochs:
        return None
    total = -(-int(trainer.num_training_batches) // trainer.accumulate_grad_batches) * trainer.max_epochs
    seconds = (time.monotonic() - since) / done * max(total - trainer.global_step, 0)
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"
