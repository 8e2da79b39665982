"""Folders of runs and evaluations that nothing was written to do not stay."""

import shutil
from pathlib import Path


def discard_unused() -> None:
    """Remove the folder that Hydra made for this job, if it holds nothing but Hydra's own files and an empty log."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return
    folder = Path(HydraConfig.get().runtime.output_dir)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name != ".hydra" and not (path.suffix == ".log" and path.is_file()):
            return
    shutil.rmtree(folder, ignore_errors=True)
