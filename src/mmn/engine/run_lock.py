"""One process at a time writes to a run's folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mmn.errors import UserError
from mmn.files import clear_abandoned, lock_run

FILE = ".lock"


@contextmanager
def held(folder: Path, by_this_process: bool = True) -> Iterator[None]:
    """Lock a run's folder. The operating system releases the lock when the process ends, however that happens.

    Args:
        folder: created if missing.
        by_this_process: False in processes of the run that write nothing.

    Raises:
        UserError: another process holds the folder (the message names it), or it is not writable.
    """
    if not by_this_process:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _open(folder)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}); set hydra.run.dir to another folder."
        ) from None
    try:
        for written in (folder, folder / "checkpoints"):
            clear_abandoned(written)
        yield
    finally:
        (folder / FILE).unlink(missing_ok=True)
        os.close(handle)


def _open(folder: Path) -> int:
    """The lock file, locked by this process and naming it."""
    while True:
        handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o666)
        if not lock_run(handle):
            holder = _name_in(handle)
            os.close(handle)
            raise _in_use(folder, holder)
        if os.fstat(handle).st_nlink:  # else its last holder has just removed it
            now = f"{datetime.now():%Y-%m-%d %H:%M}"
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()} since {now}\n".encode())
            return handle
        os.close(handle)


def refuse_held(folder: Path) -> None:
    """Raise an error if another process has locked ``folder``.

    Raises:
        UserError: naming the process.
    """
    if holder := _holder(folder):
        raise _in_use(folder, holder)


def is_held(folder: Path) -> bool:
    """Whether a running process, on this machine or another, has locked ``folder``."""
    return _holder(folder) is not None


def _holder(folder: Path) -> str | None:
    """The process that has locked ``folder``. Not to be asked by that process: closing the file drops its lock."""
    try:
        handle = os.open(folder / FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        return None if lock_run(handle) else _name_in(handle)
    finally:
        os.close(handle)


def _name_in(handle: int) -> str:
    return os.read(handle, 200).decode(errors="replace").strip() or "another process"


def _in_use(folder: Path, holder: str) -> UserError:
    return UserError(f"{folder} is in use by {holder}; wait for it, or set hydra.run.dir to another folder.")
