"""Remove the folders of runs and evaluations that produced nothing."""

import os
import shutil
from pathlib import Path

from omegaconf import OmegaConf

SWEEP_VARIABLE = "MMN_SWEEP_"
"""Prefix of the environment variables that pass a sweep's folder to its processes."""

COMMAND = "command.yaml"
"""The file in a sweep's folder with the overrides of its command, by which ``resume=true`` finds it."""

_BEFORE_ANY_RESULT = frozenset({".hydra", "config.yaml", "run.json", "multirun.yaml", COMMAND, ".submitit"})


def discard_unused() -> None:
    """Remove the folders created for this job or sweep, if no result, checkpoint or plot was written to them."""
    from hydra.core.hydra_config import HydraConfig

    folders = [Path(folder) for name, folder in os.environ.items() if name.startswith(SWEEP_VARIABLE)]
    if HydraConfig.initialized() and not OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):
        folders.append(Path(HydraConfig.get().runtime.output_dir))
    for folder in folders:
        if folder.is_dir() and all(_is_preparation(path) for path in folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def _is_preparation(path: Path) -> bool:
    empty = path.is_dir() and not any(path.iterdir())
    return empty or path.name in _BEFORE_ANY_RESULT or (path.suffix == ".log" and path.is_file())
