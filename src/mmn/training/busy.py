"""Notices, in the first steps, that other programs use the processors this run counts on."""

import logging
import os
import time
from typing import Any

import lightning as L
import psutil
import torch
from lightning.pytorch.callbacks import Callback

log = logging.getLogger(__name__)


class BusyMachine(Callback):
    """Says once what to set where other programs hold the processors that this run's threads wait for.

    Threads that work in step wait for the slowest: beside another job, an epoch was seen to take twelve times as long
    with two threads as with one.

    Args:
        seconds: of training that are looked at.
        share: of one processor that others have to use to be mentioned.
    """

    def __init__(self, seconds: float = 5.0, share: float = 0.3) -> None:
        self.seconds, self.share = seconds, share
        self._since: tuple[float, float, float] | None = None
        self._done = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start to look, where the work is done by the processors."""
        self._done = pl_module.device.type != "cpu" or not trainer.is_global_zero
        self._since = _times()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Judge once enough time has passed."""
        if self._done or self._since is None:
            return
        passed, busy, own = (now - then for now, then in zip(_times(), self._since, strict=True))
        if passed < self.seconds:
            return
        self._done = True
        others, here = (busy - own) / passed, _processors()
        free = max(1, round(here - others))
        if others > self.share and torch.get_num_threads() > free:
            log.warning(
                "other programs use %.1f of this machine's %d processors, and threads that work in step wait for the "
                "slowest: OMP_NUM_THREADS=%d before the command is likely to be faster.",
                others, psutil.cpu_count() or here, free,
            )  # fmt: skip


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def _times() -> tuple[float, float, float]:
    """Seconds on the clock, of all processors' work, and of this program's, its children included."""
    total = psutil.cpu_times()
    me = psutil.Process()
    own = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            used = process.cpu_times()
        except psutil.Error:
            continue
        own += used.user + used.system
    return time.monotonic(), total.user + total.system + getattr(total, "nice", 0.0), own
