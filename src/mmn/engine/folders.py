"""Folders of runs and evaluations that came to nothing do not stay."""

import shutil
from pathlib import Path

from omegaconf import OmegaConf

_BEFORE_ANY_RESULT = frozenset({".hydra", "config.yaml", "run.json"})


def discard_unused() -> None:
    """Remove the folder that Hydra made for this job, if no result, checkpoint or figure was written to it."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized() or OmegaConf.is_missing(HydraConfig.get().runtime, "output_dir"):
        return
    folder = Path(HydraConfig.get().runtime.output_dir)
    if folder.is_dir() and all(_is_preparation(path) for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def _is_preparation(path: Path) -> bool:
    empty = path.is_dir() and not any(path.iterdir())
    return empty or path.name in _BEFORE_ANY_RESULT or (path.suffix == ".log" and path.is_file())
