"""What a job of a sweep owes to it: a line of results, and a value that was not chosen on test clips unsaid."""

import csv
import fcntl
from collections.abc import Callable
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.engine.entry import in_sweep
from mmn.engine.sentences import sentence_of
from mmn.errors import UserError

FILE = "results.csv"
COLUMNS = ("job", "folder", "value", "overrides", "error")


def recorded(cfg: DictConfig, job: Callable[[], float | None]) -> float | None:
    """The job's value; in a sweep it is written to ``results.csv`` in the sweep's folder as soon as it is known.

    A job that fails is written down with the reason, so that what the sweep has found is not lost with it.
    """
    if not in_sweep():
        return job()
    try:
        value = job()
        if value is None and optimises():
            raise UserError(
                f"{cfg.optimized_metric} was never measured, so that this job cannot be judged; validate at least once."
            )
    except Exception as error:
        _append(cfg, None, sentence_of(error) or f"{type(error).__name__}: {error}")
        raise
    _append(cfg, value, "")
    return value


def optimises() -> bool:
    """Whether this is a job of a sweeper that looks for the best value, such as Optuna, and not of a grid."""
    return in_sweep() and not str(HydraConfig.get().sweeper["_target_"]).endswith("BasicSweeper")


def refuse_selection_on_test(cfg: DictConfig, datamodule: SkeletonDataModule) -> None:
    """Hyper-parameters are not chosen on test clips in passing.

    Raises:
        UserError: a sweeper that optimises, on a file without a val split, unless ``select_on_test=true``; or on none.
    """
    if optimises() and datamodule.val_split is None:
        raise UserError("data.train_splits leaves this sweep nothing to choose by; leave val out of it.")
    if optimises() and datamodule.val_split == "test" and not cfg.select_on_test:
        raise UserError(
            f"{datamodule.path} has no val split, so this sweep would choose hyper-parameters on its test clips: make "
            "a val split, or ask for it with select_on_test=true and say so beside every figure."
        )


def _append(cfg: DictConfig, value: float | None, error: str) -> None:
    hydra = HydraConfig.get()
    path = Path(hydra.sweep.dir) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", newline="", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # jobs may run side by side
        rows = csv.writer(file)
        if path.stat().st_size == 0:
            rows.writerow(COLUMNS)
        overrides = " ".join(o for o in hydra.overrides.task if not o.startswith("hydra."))
        folder = Path(cfg.paths.output_dir).name
        rows.writerow([hydra.job.num, folder, "" if value is None else value, overrides, error])
