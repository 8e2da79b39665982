"""The folder of a run or sweep; importing this registers the resolvers that configs use."""

import os
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mmn.engine.folders import COMMAND, SWEEP_VARIABLE
from mmn.engine.run_lock import is_held, refuse_held
from mmn.engine.run_state import FILE, check_vacant, is_finished, is_interrupted
from mmn.errors import UserError
from mmn.outside import read_yaml


def run_folder(base: str, now: str, resume: bool, *, _root_: Any) -> str:
    """A new folder ``base/now``, or with ``resume`` an earlier folder of the same command.

    The most recent interrupted run takes precedence over the most recent finished one. Folders are created
    exclusively: of two runs started in the same second, the later one gets ``base/now-2``. Under a launcher (torchrun,
    srun) its job name replaces the time, since all processes have to share one folder.
    """
    return _run_folder(base, now, bool(resume), tuple(_root_.hydra.overrides.task))


def sweep_folder(base: str, now: str, resume: bool, *, _root_: Any) -> str:
    """The same for a sweep, whose jobs have subfolders in it.

    Optuna repeats a sweep's draws, so that its finished jobs only report their values; a study kept in a
    ``storage`` goes on in a new folder.
    """
    continued = _root_.hydra.sweeper.get("storage") is not None
    return _sweep_folder(base, now, bool(resume) and not continued, tuple(_root_.hydra.overrides.task))


def sampler_seed(storage: str | None, seed: int) -> int | None:
    """The seed of an Optuna sampler; None for a study kept in a ``storage``, which would get the same draws again."""
    return None if storage else seed


def hydra_subdir(name: str, resume: bool, ckpt_path: str | None, *, _root_: Any) -> str:
    """``name``, the subfolder for Hydra's record of the command, which Hydra writes before a run can lock its folder.

    Raises:
        UserError: another process has locked the folder, or a new run would replace what is in it.
    """
    runtime = _root_.hydra.runtime
    if not OmegaConf.is_missing(runtime, "output_dir"):
        _check_once(runtime.output_dir, is_new=not resume and ckpt_path is None)
    return name


def evaluation_subdir(name: str, *, _root_: Any) -> str:
    """``name``, the subfolder for Hydra's record of an evaluation.

    Raises:
        UserError: the folder is that of a training run, whose record and results would be replaced.
    """
    runtime = _root_.hydra.runtime
    if not OmegaConf.is_missing(runtime, "output_dir") and (Path(runtime.output_dir) / FILE).exists():
        raise UserError(f"{runtime.output_dir} is the folder of a training run; give another hydra.run.dir.")
    return name


@cache  # afterwards it is this process that holds the folder
def _check_once(folder: str, is_new: bool) -> None:
    if all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):  # others write nothing
        refuse_held(Path(folder))
        if is_new:
            check_vacant(Path(folder))


@cache  # once started, a run is no longer the most recent interrupted one
def _run_folder(base: str, now: str, resume: bool, overrides: tuple[str, ...]) -> str:
    if resume:
        before = list(_by_command(base, overrides, lambda folder: folder / ".hydra" / "overrides.yaml"))
        for wanted in (is_interrupted, is_finished):
            for folder in before:
                if wanted(folder) and not is_held(folder):
                    return str(folder)
        if held := next(filter(is_held, before), None):
            return str(held)  # the run itself reports the holder
    if launched := _launcher_job():
        return f"{base}/{launched}"
    return str(exclusive_folder(base, now))


def _sweep_folder(base: str, now: str, resume: bool, overrides: tuple[str, ...]) -> str:
    # A launcher's processes resolve this again, with a job's overrides; they inherit the sweep's folder instead.
    variable = f"{SWEEP_VARIABLE}{zlib.crc32(f'{base} {now}'.encode()):x}"
    if variable not in os.environ:
        found = next(_by_command(base, overrides, lambda folder: folder / COMMAND), None) if resume else None
        if found is None:
            found = exclusive_folder(base, now)
            (found / COMMAND).write_text(OmegaConf.to_yaml(list(overrides)))
        os.environ[variable] = str(found)
    return os.environ[variable]


def exclusive_folder(base: str, name: str) -> Path:
    """Create ``base/name``, or ``base/name-2`` and so on if it exists.

    Raises:
        UserError: ``base`` is not a local path, or cannot be written to.
    """
    if "://" in base:
        raise UserError(f"runs cannot be written to {base}; set paths.log_dir to a local folder.")
    number = 1
    while True:
        folder = Path(base) / (name if number == 1 else f"{name}-{number}")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder
        except FileExistsError:
            if not folder.is_dir():  # the base itself is a file
                raise UserError(f"{base} is not a folder; set paths.log_dir to another one.") from None
            number += 1
        except OSError as error:
            raise UserError(
                f"{folder} cannot be created ({error.strerror}); set paths.log_dir to another folder."
            ) from None


def command(overrides: Any) -> frozenset[str]:
    """The overrides that identify a command, without those about resuming."""
    return frozenset(o for o in overrides if not o.startswith(("resume=", "hydra.")))


def _by_command(base: str, overrides: Any, where: Callable[[Path], Path]) -> Iterator[Path]:
    """Folders in ``base`` written by the same command, most recent first."""
    wanted = command(overrides)
    for folder in sorted(Path(base).glob("*/"), key=_last_change, reverse=True):
        record = where(folder)
        try:
            if command(read_yaml(record)) == wanted:
                yield folder
        except (UserError, TypeError, AttributeError):
            continue  # not a run folder, or damaged


def _last_change(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # removed by another process
        return 0.0


def _launcher_job() -> str | None:
    """A name shared by all processes of a launcher's job; None without an external launcher."""
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in os.environ:
        return f"slurm-{os.environ['SLURM_JOB_ID']}-{os.environ.get('SLURM_STEP_ID', '0')}"
    if "TORCHELASTIC_RUN_ID" in os.environ:
        job = os.environ["TORCHELASTIC_RUN_ID"]
        return f"torchrun-{os.getppid() if job == 'none' else job}"
    return None


OmegaConf.register_new_resolver("hydra_subdir", hydra_subdir, replace=True)
OmegaConf.register_new_resolver("evaluation_subdir", evaluation_subdir, replace=True)
OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
OmegaConf.register_new_resolver("sweep_folder", sweep_folder, replace=True)
OmegaConf.register_new_resolver("sampler_seed", sampler_seed, replace=True)
