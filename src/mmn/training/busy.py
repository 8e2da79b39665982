"""Detects, in the first steps, that other programs are using the CPUs this run needs."""

import logging
import os
import time
from typing import Any

import lightning as L
import psutil
import torch
from lightning.pytorch.callbacks import Callback

log = logging.getLogger(__name__)


class WarnIfBusy(Callback):
    """Warns once, naming the setting to change, if other programs compete for the CPUs that this run's threads use.

    Synchronised threads wait for the slowest: alongside another job, an epoch with two threads has taken twelve times
    as long as with one.

    Args:
        seconds: how long to measure from the start of training.
        share: CPU use by other programs, as a fraction of one processor, above which to warn.
    """

    def __init__(self, seconds: float = 5.0, share: float = 0.3) -> None:
        self.seconds, self.share = seconds, share
        self._since: tuple[float, float, float] | None = None
        self._done = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start measuring, if training runs on the CPU."""
        self._done = pl_module.device.type != "cpu" or not trainer.is_global_zero
        self._since = _times()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Decide once enough time has passed."""
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
                "other programs are using %.1f of this machine's %d processors, and synchronised threads wait for the "
                "slowest: setting OMP_NUM_THREADS=%d is likely to be faster.",
                others, psutil.cpu_count() or here, free,
            )  # fmt: skip


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1


def _times() -> tuple[float, float, float]:
    """Wall time, total CPU time, and CPU time of this program and its children, in seconds."""
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
