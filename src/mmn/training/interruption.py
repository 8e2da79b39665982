"""On SIGTERM (such as preemption on a cluster) or Ctrl-C, save ``last.ckpt`` before exiting, even mid-epoch."""

import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

STEP_METRICS = frozenset({"train/loss_step", "lr", "grad_norm"})
"""Metrics logged per step; the others are logged per epoch."""

_SECONDS_BETWEEN = 2.0
_TIMED_STEPS = 10


class SaveOnSignal(Callback):
    """Finishes the current step, saves, and exits with 128 + the signal's number; a second signal exits immediately.

    Args:
        path: the checkpoint to write.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.received: int | None = None
        self._every, self._steps, self._started = 1, 0, 0.0  # steps between checks, steps done, start time

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Install the handlers before the first step of any kind."""
        self._install_handlers()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Install the handlers, if there was no sanity check."""
        self._install_handlers()
        self._started = time.monotonic()

    def _install_handlers(self) -> None:
        """Replace Lightning's own handlers, which stop without saving and may interrupt a collective operation.

        Lightning installs its handlers after ``on_fit_start``, and restores the original ones at the end of training.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            sys.exit(128 + number)
        self.received = number

    def _stopped(self, trainer: L.Trainer, step: int = 0) -> bool:
        """Whether any process received a signal; all stop together, and synchronise about every two seconds."""
        received = self.received is not None
        if trainer.world_size == 1:
            return received
        if step % self._every:
            return False
        stopped = trainer.strategy.reduce_boolean_decision(received, all=False)
        if self._every == 1 and step >= _TIMED_STEPS:  # the slowest process sets it, so that all agree
            seconds = torch.tensor((time.monotonic() - self._started) / step, device=trainer.strategy.root_device)
            slowest = float(trainer.strategy.reduce(seconds, reduce_op="max"))
            self._every = max(1, int(_SECONDS_BETWEEN / max(slowest, 1e-6)))
        return stopped

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and exit after a step; the last step of an epoch leaves saving to the epoch's checkpoint."""
        self._steps += 1
        last = batch_idx + 1 >= trainer.num_training_batches
        if not last and (batch_idx + 1) % trainer.accumulate_grad_batches == 0 and self._stopped(trainer, self._steps):
            trainer.save_checkpoint(self.path)
            if trainer.is_global_zero and trainer._logger_connector.should_update_logs:
                for logger in trainer.loggers:  # Lightning logs a step only after its callbacks
                    metrics = {
                        name: float(trainer.logged_metrics[name]) for name in STEP_METRICS & set(trainer.logged_metrics)
                    }
                    logger.log_metrics({**metrics, "epoch": trainer.current_epoch}, step=trainer.global_step - 1)
            self._exit(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Exit between epochs; ``last.ckpt`` has just been saved."""
        if self.path.exists() and self._stopped(trainer):
            self._exit(trainer)

    def _exit(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero:
            print(
                f"stopped in epoch {trainer.current_epoch + 1} after step {trainer.global_step}; saved {self.path}, "
                "and the same command with resume=true continues",
                flush=True,
            )
            sys.exit(128 + (self.received or signal.SIGTERM))
        sys.exit(0)  # any other status makes Lightning kill the first process, even mid-save
