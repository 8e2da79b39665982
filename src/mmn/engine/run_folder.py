"""Which folder a training run writes to; importing this teaches configs ``${run_folder:…}``."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf


def run_folder(base: str, now: str, resume: bool, *, _root_: Any) -> str:
    """``base/now``, or with ``resume`` the newest interrupted run below ``base`` that was started by the same command.

    Where a launcher starts the processes (torchrun, srun), its job's name stands in for the time, since every process
    has to come to the same folder.
    """
    return _run_folder(base, now, bool(resume), tuple(_root_.hydra.overrides.task))


@cache  # a run that has begun is no longer the newest interrupted one
def _run_folder(base: str, now: str, resume: bool, overrides: tuple[str, ...]) -> str:
    if resume:
        wanted = command(overrides)
        for folder in sorted(Path(base).glob("*/"), key=lambda f: f.stat().st_mtime, reverse=True):
            said = folder / ".hydra" / "overrides.yaml"
            if is_interrupted(folder) and said.exists() and command(yaml.safe_load(said.read_text())) == wanted:
                return str(folder)
    return f"{base}/{_launched_as() or now}"


def command(overrides: Any) -> frozenset[str]:
    """What a command asks for, but for going on with it."""
    return frozenset(o for o in overrides if not o.startswith(("resume=", "hydra.")))


def is_interrupted(folder: Path) -> bool:
    """Whether a run in ``folder`` has been begun and not finished."""
    return (folder / "checkpoints" / "last.ckpt").exists() and not (folder / "metrics.json").exists()


def _launched_as() -> str | None:
    """A name that all processes of a launcher's job share; None for a process that starts the others itself."""
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ:
        return f"slurm-{os.environ['SLURM_JOB_ID']}-{os.environ.get('SLURM_STEP_ID', '0')}"
    if "TORCHELASTIC_RUN_ID" in os.environ:
        job = os.environ["TORCHELASTIC_RUN_ID"]
        return f"torchrun-{os.getppid() if job == 'none' else job}"
    return None


OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
