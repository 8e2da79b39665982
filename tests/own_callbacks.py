"""Callbacks that tests name on the command line."""

import os
import signal
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class StopAfter(Callback):
    """Sends SIGTERM to its own process at an optimiser step."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Count."""
        if trainer.global_step == self.steps:
            os.kill(os.getpid(), signal.SIGTERM)
