"""Sweep jobs: one row of results per job, and no silent selection on test clips."""

import csv
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.engine.entry import in_sweep
from mmn.engine.sentences import sentence_of
from mmn.errors import UserError
from mmn.files import replacing

FILE = "results.csv"
COLUMNS = ("job", "folder", "value", "overrides", "error")


def run_and_record(cfg: DictConfig, job: Callable[[], float | None]) -> float | None:
    """Run the job and return its value; in a sweep, record it in ``results.csv`` in the sweep's folder.

    A failed job is recorded with its error, so that the sweep's results are not lost with it.
    """
    if not in_sweep():
        return job()
    try:
        value = job()
        if value is None and optimises():
            raise UserError(
                f"{cfg.optimized_metric} was never measured, so this job has no result; validate at least once."
            )
    except Exception as error:
        _record(cfg, None, sentence_of(error) or f"{type(error).__name__}: {error}")
        raise
    _record(cfg, value, "")
    return value


def optimises() -> bool:
    """Whether this job belongs to an optimising sweeper, such as Optuna, rather than a grid."""
    return in_sweep() and not str(HydraConfig.get().sweeper["_target_"]).endswith("BasicSweeper")


def refuse_selection_on_test(cfg: DictConfig, datamodule: SkeletonDataModule) -> None:
    """Refuse to select hyper-parameters on test clips unless requested.

    Raises:
        UserError: an optimising sweeper without a val split, unless ``select_on_test=true``, or without any split left.
    """
    if optimises() and datamodule.val_split is None:
        raise UserError("data.train_splits leaves this sweep no split to select on; remove val from it.")
    if optimises() and datamodule.val_split == "test" and not cfg.select_on_test:
        raise UserError(
            f"{datamodule.path} has no val split, so this sweep would choose hyper-parameters on its test clips: make "
            "a val split, or set select_on_test=true and disclose it with every result."
        )


def _record(cfg: DictConfig, value: float | None, error: str) -> None:
    hydra = HydraConfig.get()
    path, folder = Path(hydra.sweep.dir) / FILE, Path(cfg.paths.output_dir).name
    overrides = " ".join(o for o in hydra.overrides.task if not o.startswith("hydra."))
    row = [str(hydra.job.num), folder, "" if value is None else str(value), overrides, error]
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(".results.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # jobs may run in parallel
        rows = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [old for old in list(csv.reader(file))[1:] if old[:2] != row[:2]]  # of the job before it resumed
        with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows, row])
    finally:
        os.close(lock)
