"""Loggers that need a decision of ours."""

import csv
import logging
import netrc
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import CSVLogger, WandbLogger

log = logging.getLogger(__name__)


class MetricsCsv(CSVLogger):
    """``metrics.csv`` in the run folder; a resumed run goes on with it.

    Args:
        save_dir: the run folder.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="")
        self.path = Path(save_dir) / "metrics.csv"

    def resume_from(self, step: int) -> None:
        """Keep the rows up to ``step`` of what an interrupted run has written."""
        if not self.path.exists():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
        self.experiment.metrics = [row for row in rows if int(row["step"]) < step]
        self.experiment.save()

    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: they are in ``config.yaml``."""


def wandb_logger(save_dir: str, **options: Any) -> WandbLogger:
    """A Weights & Biases logger that needs no account: without a login the run is kept offline.

    Args:
        save_dir: the run folder; W&B writes to ``wandb/`` in it.
        options: passed on to Lightning's ``WandbLogger``; ``offline=True`` never asks the network.
    """
    offline = options.pop("offline", False) or os.environ.get("WANDB_MODE") == "offline"
    if not offline and not _logged_in():
        offline = True
        log.warning(
            "No W&B login: this run is kept offline; upload it later with `wandb sync %s/wandb/offline-run-*`.",
            save_dir,
        )
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(silent=offline)  # online, its own lines say where to look
    return WandbLogger(save_dir=save_dir, offline=offline, settings=settings, id=_run_id(save_dir), **options)


def _run_id(save_dir: str) -> str:
    """The W&B run of this folder: a resumed run goes on with it."""
    path = Path(save_dir) / "wandb_id"
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:8])
    return path.read_text()


def _logged_in() -> bool:
    """Whether W&B would find a key where it documents to look: the environment or the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
