"""Which folder a run or a sweep writes to; importing this teaches configs ``run_folder`` and ``sweep_folder``."""

import os
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from mmn.engine.folders import SWEEP_VARIABLE
from mmn.engine.run_state import is_finished, is_interrupted
from mmn.errors import UserError


def run_folder(base: str, now: str, resume: bool, *, _root_: Any) -> str:
    """A new folder ``base/now``, or with ``resume`` the one that the same command has written to before.

    Of several, the most recent interrupted run is preferred to the most recent finished one. Folders are created
    exclusively: of two runs started in the same second the later one gets ``base/now-2``. Where a launcher starts the
    processes (torchrun, srun), its job's name stands in for the time, since all of them have to share one folder.
    """
    return _run_folder(base, now, bool(resume), tuple(_root_.hydra.overrides.task))


def sweep_folder(base: str, now: str, resume: bool, *, _root_: Any) -> str:
    """The same for the folder of a sweep, whose jobs have folders of their own in it."""
    return _sweep_folder(base, now, bool(resume), tuple(_root_.hydra.overrides.task))


@cache  # a run that has begun is no longer the most recent interrupted one
def _run_folder(base: str, now: str, resume: bool, overrides: tuple[str, ...]) -> str:
    if resume:
        before = list(_by_command(base, overrides, lambda folder: folder / ".hydra" / "overrides.yaml"))
        for wanted in (is_interrupted, is_finished):
            for folder in before:
                if wanted(folder):
                    return str(folder)
    if launched := _launched_as():
        return f"{base}/{launched}"
    return str(exclusive_folder(base, now))


def _sweep_folder(base: str, now: str, resume: bool, overrides: tuple[str, ...]) -> str:
    # The processes of a launcher resolve this again, with a job's overrides: they inherit what the sweep has found.
    variable = f"{SWEEP_VARIABLE}{zlib.crc32(f'{base} {now}'.encode()):x}"
    if variable not in os.environ:
        found = next(_by_command(base, overrides, _sweeps_overrides), None) if resume else None
        os.environ[variable] = str(found or exclusive_folder(base, now))
    return os.environ[variable]


def exclusive_folder(base: str, name: str) -> Path:
    """Create ``base/name``, or ``base/name-2`` and so on where others were faster.

    Raises:
        UserError: a base that is not a local path, or cannot be written to.
    """
    if "://" in base:
        raise UserError(f"runs cannot be written to {base}; paths.log_dir takes a folder of this machine.")
    number = 1
    while True:
        folder = Path(base) / (name if number == 1 else f"{name}-{number}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder
        except FileExistsError:
            if not folder.is_dir():  # the base itself is a file
                raise UserError(f"{base} is not a folder; give paths.log_dir another one.") from None
            number += 1
        except OSError as error:
            raise UserError(
                f"{folder} cannot be created ({error.strerror}); give paths.log_dir another place."
            ) from None


def command(overrides: Any) -> frozenset[str]:
    """What a command asks for, apart from resuming it."""
    return frozenset(o for o in overrides if not o.startswith(("resume=", "hydra.")))


def _by_command(base: str, overrides: Any, where: Callable[[Path], Path]) -> Iterator[Path]:
    """Folders below ``base`` that the same command has written to, the most recent first."""
    wanted = command(overrides)
    for folder in sorted(Path(base).glob("*/"), key=lambda f: f.stat().st_mtime, reverse=True):
        said = where(folder)
        try:
            content = yaml.safe_load(said.read_text(encoding="utf-8"))
            content = content["hydra"]["overrides"]["task"] if isinstance(content, dict) else content
            if command(content) == wanted:
                yield folder
        except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
            continue  # not a run, or one that was damaged


def _sweeps_overrides(folder: Path) -> Path:
    return folder / "multirun.yaml"


def _launched_as() -> str | None:
    """A name that all processes of a launcher's job share; None for a process that starts the others itself."""
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ:
        return f"slurm-{os.environ['SLURM_JOB_ID']}-{os.environ.get('SLURM_STEP_ID', '0')}"
    if "TORCHELASTIC_RUN_ID" in os.environ:
        job = os.environ["TORCHELASTIC_RUN_ID"]
        return f"torchrun-{os.getppid() if job == 'none' else job}"
    return None


OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
OmegaConf.register_new_resolver("sweep_folder", sweep_folder, replace=True)
