"""Callbacks that tests select on the command line."""

import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback


class StopAfter(Callback):
    """Sends SIGTERM to its own process after ``steps`` optimiser steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Stop at the given step."""
        if trainer.global_step == self.steps:
            os.kill(os.getpid(), signal.SIGTERM)


class RemoveFolder(Callback):
    """Removes the run's folder at an optimiser step, as a user might."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Count."""
        if trainer.global_step == self.steps:
            shutil.rmtree(Path(trainer.loggers[0].save_dir))  # type: ignore[arg-type]


class Resources(Callback):
    """Writes this process's memory in bytes and its number of open files, a line an epoch."""

    def __init__(self, path: str) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        with open(self.path, "a") as file:
            file.write(f"{pages * resource.getpagesize()} {len(os.listdir('/proc/self/fd'))}\n")


class RefuseWaitingSteps(Callback):
    """Fails if the CPU waits for the GPU between the second and the last step of an epoch, batches included."""

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *arguments: Any) -> None:
        """Refuse from the second step."""
        within = 2 <= trainer.global_step < int(trainer.num_training_batches) - 1
        torch.cuda.set_sync_debug_mode("error" if within else "default")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Leave this process as it was."""
        torch.cuda.set_sync_debug_mode("default")
