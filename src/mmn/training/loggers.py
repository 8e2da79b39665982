"""Loggers that need a decision of ours."""

import logging
import netrc
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)


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
    return WandbLogger(save_dir=save_dir, offline=offline, settings=settings, **options)


def _logged_in() -> bool:
    """Whether W&B would find a key where it documents to look: the environment or the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
