"""SIGTERM (a cluster taking its machine back) and Ctrl-C save ``last.ckpt`` first, in the middle of an epoch too."""

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class SaveWhenStopped(Callback):
    """Finishes the step under way, saves, and exits with 128 + the signal's number; a second signal exits at once.

    Args:
        path: the checkpoint to write.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.received: int | None = None

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen from the first step of any kind."""
        self._listen()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen, where there was no sanity check."""
        self._listen()

    def _listen(self) -> None:
        """Take the place of Lightning's own handlers, which stop without saving and may break a collective under way.

        They are set up after ``on_fit_start``; when it is done Lightning puts back what was there before the two.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            sys.exit(128 + number)
        self.received = number

    def _stopped(self, trainer: L.Trainer) -> bool:
        """Whether any process was told to stop; they stop together."""
        told = self.received is not None
        return trainer.strategy.reduce_boolean_decision(told, all=False) if trainer.world_size > 1 else told

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and exit after a step; the last step of an epoch leaves that to the epoch's own checkpoint."""
        last = batch_idx + 1 >= trainer.num_training_batches
        if not last and (batch_idx + 1) % trainer.accumulate_grad_batches == 0 and self._stopped(trainer):
            trainer.save_checkpoint(self.path)
            if trainer.is_global_zero:
                for logger in trainer.loggers:  # Lightning would log this step after its callbacks
                    figures = {name: float(value) for name, value in trainer.logged_metrics.items()}
                    logger.log_metrics(figures, step=trainer.global_step - 1)
            self._exit(trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Exit between epochs; ``last.ckpt`` has just been saved."""
        if self.path.exists() and self._stopped(trainer):
            self._exit(trainer)

    def _exit(self, trainer: L.Trainer) -> None:
        if trainer.is_global_zero:
            print(
                f"stopped in epoch {trainer.current_epoch + 1} after step {trainer.global_step}; {self.path} is saved, "
                "and the same command with resume=true goes on",
                flush=True,
            )
            sys.exit(128 + (self.received or signal.SIGTERM))
        sys.exit(0)  # Lightning kills the first process, mid-save or not, once another ends with anything else
