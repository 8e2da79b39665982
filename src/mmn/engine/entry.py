"""How every command ends: errors a user can cause in one sentence and exit status 1, others with their traceback."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mmn.errors import UserError


def run(main: Callable[[], Any]) -> None:
    """Run a command's ``main``, a Hydra one or any other."""
    # Hydra would print a shortened traceback of its own and hide the cause from us.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    with one_sentence():
        main()


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a user's mistake into its sentence on stderr and exit status 1.

    Needed inside a Hydra job as well: Hydra announces every other exception of a job in a line of its own. A job of a
    sweep says its sentence and fails alone: the others still run.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except SystemExit as stop:
        if type(stop).__name__ == "SIGTERMException":  # Lightning's, outside training; by itself it would exit with 0
            sys.exit(128 + signal.SIGTERM)
        raise
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        if in_sweep():
            print(f"error in this job: {sentence}", file=sys.stderr, flush=True)
            raise
        sys.exit(f"error: {sentence}")


def in_sweep() -> bool:
    """Whether this is a job of a Hydra sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _sentence(error: BaseException) -> str | None:
    """The sentence of a user's mistake, looked for along the causes; None for any other error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = f" to write {error.filename}" if error.filename else ""
        return f"there is no space left{place}: free some, and go on with resume=true where a run was interrupted."
    if type(error).__module__.startswith(("hydra.errors", "omegaconf.errors")):
        return _config_sentence(error)
    return None


def _config_sentence(error: BaseException) -> str:
    """Hydra's and OmegaConf's paragraphs on one line, without the search path."""
    lines = [line.strip() for line in str(error).split("Config search path")[0].splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith(("full_key:", "object_type=")))
    return f"{text.rstrip('.')} (see `--help` for what can be configured)."
