"""What is seen while training: Lightning's bar on a terminal, a line an epoch in a log file."""

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only


def on_terminal() -> bool:
    """Whether somebody watches: a live bar on a terminal, plain lines in a log file."""
    return sys.stdout.isatty()


class EpochLines(Callback):
    """One plain line an epoch: losses, Top-1, the best so far, and the time it took."""

    def __init__(self, monitor: str = "val/top1") -> None:
        self.monitor = monitor
        self.best: tuple[float, int] | None = None
        self._started = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, in the middle of an epoch where a run goes on there."""
        self._started = time.monotonic()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    @rank_zero_only
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the line."""
        figures = trainer.callback_metrics
        epoch = trainer.current_epoch + 1
        parts = [f"epoch {epoch}/{trainer.max_epochs}"]
        for key, text in (("train/loss", "train loss"), ("val/loss", "val loss")):
            if key in figures:
                parts.append(f"{text} {float(figures[key]):.4f}")
        if self.monitor in figures:
            value = float(figures[self.monitor])
            if self.best is None or value > self.best[0]:
                self.best = (value, epoch)
            parts.append(f"{self.monitor} {value:.2f} (best {self.best[0]:.2f}, epoch {self.best[1]})")
        parts.append(f"{time.monotonic() - self._started:.1f} s")
        print(" · ".join(parts), flush=True)

    def state_dict(self) -> dict[str, Any]:
        """The best so far, so that a resumed run goes on counting."""
        return {"best": list(self.best) if self.best else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        best = state_dict["best"]
        self.best = (best[0], best[1]) if best else None
