"""How commands exit: one sentence and status 1 for user errors, a traceback for all others."""

import inspect
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmn.engine.arguments import normalise_arguments
from mmn.engine.folders import discard_unused
from mmn.engine.sentences import sentence_of


def run(main: Callable[[], Any]) -> None:
    """Run a command's ``main``."""
    with one_sentence():
        main()


def run_hydra(main: Callable[[], Any]) -> None:
    """Run a Hydra ``main`` with normalised command-line arguments."""
    # Hydra would print its own shortened traceback and hide the cause.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    script = Path(inspect.unwrap(main).__code__.co_filename)
    config = script.parent / "configs" / f"{script.stem}.yaml"
    with one_sentence(config):
        sys.argv[1:] = normalise_arguments(sys.argv[1:], config.parent)
        main()


@contextmanager
def one_sentence(config: Path | None = None) -> Iterator[None]:
    """Turn a user error into one sentence on stderr and exit status 1.

    Also needed inside a Hydra job, where Hydra would print an extra line for the exception. A sweep job reports its
    sentence and fails alone: the others still run.

    Args:
        config: the command's primary config, if it has one.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_has_left():
            raise
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except SystemExit as stop:
        if type(stop).__name__ == "SIGTERMException":  # Lightning's, outside training; unhandled, it exits with 0
            sys.exit(128 + signal.SIGTERM)
        raise
    except Exception as error:
        sentence = sentence_of(error, config)
        if sentence is None:
            raise
        if in_sweep():
            print(f"error in this job: {sentence}", file=sys.stderr, flush=True)
            raise
        discard_unused()
        sys.exit(f"error: {sentence}")


def _reader_has_left() -> bool:
    """Whether stdout's reader, such as ``head``, has closed it; the rest of the output is then discarded."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
    return True


def in_sweep() -> bool:
    """Whether this is a job of a Hydra sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
