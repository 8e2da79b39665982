"""Loggers that support resuming and offline W&B runs."""

import csv
import io
import logging
import netrc
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger
from omegaconf import DictConfig

from mmn.engine.entry import in_sweep
from mmn.errors import UserError
from mmn.outside import read_text

log = logging.getLogger(__name__)


def build_loggers(cfg: DictConfig, step: int | None) -> list[Logger]:
    """The run's loggers; if it resumes at ``step``, what it had logged from there on is dropped."""
    loggers: list[Logger] = []
    for options in (cfg.get("logger") or {}).values():
        if not options:
            continue
        redone = step is not None and str(options["_target_"]).endswith(".TensorBoardLogger")
        logger = instantiate(options, **({"purge_step": step} if redone else {}))
        if step is not None and isinstance(logger, MetricsCsv):
            logger.resume_from(step)
        loggers.append(logger)
    return loggers


class MetricsCsv(CSVLogger):
    """``metrics.csv`` in the run folder; a resumed run appends to it.

    Args:
        save_dir: the run folder.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, name="", version="")
        self.path = Path(save_dir) / "metrics.csv"

    def resume_from(self, step: int) -> None:
        """Keep the rows before ``step`` that an interrupted run wrote."""
        if not self.path.exists():
            return
        try:
            rows = list(csv.DictReader(io.StringIO(read_text(self.path, "CSV file"))))
        except (UserError, csv.Error) as error:
            log.warning("Earlier metrics are lost: %s", error)
            rows = []
        self.experiment.metrics = [
            {key: value for key, value in row.items() if key and value}
            for row in rows
            if (row.get("step") or "").isdecimal() and int(row["step"]) < step
        ]
        self.experiment.save()

    def log_hyperparams(self, params: Any = None) -> None:
        """Do nothing: they are in ``config.yaml``."""


class WandbRun(WandbLogger):
    """A W&B run with optional uploads at its end.

    Args:
        log_clips: upload animations of the worst clips.
        upload: upload the checkpoints as artifacts.
        options: passed to ``WandbLogger``.
    """

    def __init__(self, log_clips: bool = False, upload: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.log_clips, self.upload = log_clips, upload

    def finish(self, checkpoints: Path) -> None:
        """Upload ``checkpoints`` if requested, and close the run: the next job in this process starts its own."""
        if self.upload and checkpoints.is_dir():
            artifact = wandb.Artifact(f"checkpoints-{self.experiment.id}", type="model")
            artifact.add_dir(str(checkpoints))
            self.experiment.log_artifact(artifact)
        self.experiment.finish()


def wandb_logger(
    save_dir: str, group: str | None = None, offline: bool = False, log_model: bool = False, **options: Any
) -> Logger:
    """A Weights & Biases logger that never stops training: without a login or network, the run is kept offline.

    Args:
        save_dir: the run folder; W&B writes to ``wandb/`` in it.
        group: the group of runs; None for the sweep's folder name.
        offline: never use the network.
        log_model: upload the checkpoints when the run ends.
        options: passed to ``WandbRun``.
    """
    mode = os.environ.get("WANDB_MODE")
    if mode == "disabled":
        return DummyLogger()
    offline = offline or mode == "offline"
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    options |= {"save_dir": save_dir, "group": group or _sweep_name(), "id": _run_id(save_dir), "upload": log_model}
    kept = f"this run is kept offline; upload it later with `wandb sync {save_dir}/wandb/offline-run-*`."
    if not offline and not _logged_in():
        offline = True
        log.warning("No W&B login: %s", kept)
    if not offline:
        logger = WandbRun(**options, settings=wandb.Settings(init_timeout=_init_timeout()))
        try:
            _ = logger.experiment  # starts the run
            return logger
        except Exception as error:  # wrong key, no connection, server trouble
            log.warning("W&B cannot be reached (%s): %s", str(error).splitlines()[0], kept)
            wandb.teardown()
            (Path(save_dir) / "wandb_id").unlink()  # used up by the run that failed to start
            options["id"] = _run_id(save_dir)
    return WandbRun(**options, offline=True, settings=wandb.Settings(silent=True))


def _init_timeout() -> float:
    """Timeout for starting a W&B run; W&B's own default would delay training by 90 s."""
    return float(os.environ.get("WANDB_INIT_TIMEOUT", 30))


def _sweep_name() -> str | None:
    """The folder name of the sweep this job belongs to, if any."""
    return Path(HydraConfig.get().sweep.dir).name if in_sweep() else None


def _run_id(save_dir: str) -> str:
    """The W&B run id of this folder, which a resumed run reuses."""
    path = Path(save_dir) / "wandb_id"
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:8])
    return path.read_text()


def _logged_in() -> bool:
    """Whether W&B would find an API key where it documents to look: the environment or the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
