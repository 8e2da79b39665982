"""Atomic file writes."""

import errno
import json
import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmn.errors import UserError

if sys.platform != "win32":
    import fcntl

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a temporary file beside ``path``, flush it to disk, then rename it: ``path`` is never half written.

    Also removes temporary files that killed processes left in the folder.

    Raises:
        UserError: the path is a folder, device or pipe, its folder cannot be written to, or the disk is full.
    """
    if path.exists() and not path.is_file():  # a device, such as /dev/null, would become a file
        raise UserError(f"{path} is a {'folder' if path.is_dir() else 'device or pipe'}; give the path of a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(path.parent)
        part, handle = _part(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield part
        os.fsync(handle)
        os.replace(part, path)
        _flush_folder(path.parent)
    except OSError as error:
        if error.filename not in (None, str(part)):  # about another file
            raise
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)
        os.close(handle)


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically; non-finite numbers become null, since JSON has no NaN."""
    with replacing(path) as part:
        part.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def clear_abandoned(folder: Path) -> None:
    """Remove temporary files of ended processes from ``folder``."""
    for part in folder.glob(f".*.{'[0-9a-f]' * 8}.part"):
        with suppress(OSError):
            handle = os.open(part, os.O_RDWR)
            try:
                if locked(handle):
                    part.unlink()
            finally:
                os.close(handle)


def locked(handle: int) -> bool:
    """Lock an open file until it is closed or this process ends; False if another process holds the lock."""
    return sys.platform == "win32" or _acquired(fcntl.flock, handle)


def lock_run(handle: int) -> bool:
    """As ``locked``, with a lock that forked processes do not inherit and that network file systems support."""
    return sys.platform == "win32" or _acquired(fcntl.lockf, handle)


def _acquired(lock: Callable[[int, int], None], handle: int) -> bool:
    """Acquire ``lock``; False if another process holds it."""
    try:
        lock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _part(path: Path) -> tuple[Path, int]:
    """A new temporary file beside ``path``, with the umask's mode, locked while it is written."""
    while True:
        part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        locked(handle)
        if os.fstat(handle).st_nlink:  # else another process removed it as abandoned just before the lock
            return part, handle
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power failure."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(path: Path, error: OSError) -> UserError:
    if error.errno in _FULL:
        return UserError(f"there is no space left to write {path}; free some and run the same command again.")
    return UserError(f"{path} cannot be written ({error.strerror or error}); choose another path.")
