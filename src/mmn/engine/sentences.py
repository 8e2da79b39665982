"""One-sentence messages for exceptions that a user can cause: what is wrong, where, what to do."""

import difflib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from mmn.engine.keys import config_keys
from mmn.errors import UserError
from mmn.text import plain

_MOVED = {
    "scheduler=fast": "recipe=fast",
    "scheduler.clips_a_step": "optimizer.reference_batch",
}
"""Old keys and choices → new ones."""

_ELSEWHERE = {
    "hparams_search": "use the group sweep for hyper-parameter search: -m sweep=mmn_optuna.",
    "train": "to score a checkpoint without training, run `python eval.py ckpt_path=…`.",
    "extras.print_config": "`--cfg job --resolve` prints the full config.",
    "task_name": "use tags=[…] to label a run, and hydra.run.dir= to set its folder.",
}
"""Keys of lightning-hydra-template → their equivalents here."""


def sentence_of(error: BaseException, config: Path | None = None) -> str | None:
    """The message for a user error; None for any other error.

    Args:
        error: the exception.
        config: the command's primary config, to suggest the key that was probably meant.
    """
    for cause in _causes(error):
        if isinstance(cause, UserError):
            return plain(_message(cause))
    for cause in _causes(error):
        if sentence := _sentence(cause, config):
            return plain(sentence)
    return None


def _message(error: UserError) -> str:
    """The error's message, without the traceback that a data loader's worker prepends."""
    text = str(error).strip()
    return text.rpartition("UserError: ")[2] if text.startswith("Caught UserError") else text


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _sentence(error: BaseException, config: Path | None) -> str | None:
    home = type(error).__module__
    if type(error).__name__ == "MisconfigurationException":  # Lightning's
        return f"{_first_sentence(error)}; change the trainer's options."
    if type(error).__name__ == "InstantiationException":  # Hydra's
        return None if error.__cause__ is None or _is_bug(error.__cause__) else _instantiation_sentence(error)
    if home.startswith(("hydra.errors", "omegaconf.errors", "antlr4")):
        return _config_sentence(error, config)
    if isinstance(error, OSError):
        return _file_sentence(error)
    if isinstance(error, ValueError) and "`val_check_interval`" in str(error):  # Lightning's
        return f"{_first_sentence(error)}; lower trainer.val_check_interval."
    if isinstance(error, ValueError) and "No trials are completed yet" in str(error):  # Optuna's
        return "no trial of this sweep returned a value; see results.csv in its folder for each trial's error."
    if isinstance(error, RuntimeError) and "DataLoader worker" in str(error):
        return (
            "a data loader's worker was killed, possibly for lack of memory: lower data.num_workers, and resume the "
            "run with resume=true."
        )
    if isinstance(error, RuntimeError) and "srun" in str(error):
        return "SLURM is not installed (no srun); use hydra/launcher=joblib, or submit from the cluster."
    return None


def _file_sentence(error: OSError) -> str | None:
    """The message for a file that cannot be read or written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        place = f" to write {error.filename}" if error.filename else ""
        return f"there is no space left{place}: free some, and run the command again (training with resume=true)."
    if error.filename is not None and error.errno in (
        errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
        errno.ENAMETOOLONG,
    ):  # fmt: skip
        return f"{error.filename} cannot be used ({error.strerror}); choose another path, such as paths.log_dir=."
    return None


def _instantiation_sentence(error: BaseException) -> str:
    """The message for a ``_target_`` in the config that rejects its arguments."""
    lines = str(error).splitlines()
    key = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("full_key:")), "the config")
    reason = str(error.__cause__).splitlines()[0].rstrip(".")
    reason = re.sub(r"^\S*?(\w+)\.__init__\(\) got an unexpected keyword argument", r"\1 has no option", reason)
    return f"{key} cannot be created: {reason}; correct its options."


def _is_bug(cause: BaseException) -> bool:
    return not isinstance(cause, TypeError | ValueError | ImportError | AttributeError)


def _first_sentence(error: BaseException) -> str:
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")


def _config_sentence(error: BaseException, config: Path | None) -> str:
    """Hydra's or OmegaConf's message on one line, without the search path, with a suggestion."""
    lines = [line.strip() for line in str(error).split("Config search path")[0].splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type=", "To append to your"))]
    text = " ".join(kept).rstrip(".")
    for old, new in _MOVED.items():
        group, _, choice = old.partition("=")
        if choice and f"'{group}/{choice}'" in text:
            return f"{old} is now {new}."
    if resolving := re.search(r"UserError raised while resolving interpolation: (.+)", text):
        return resolving[1]  # OmegaConf drops the cause
    name = re.search(r"Could not override '([^']+)'", text)
    if name and config is not None and config.stem == "eval":
        from mmn.engine.evaluation_request import keys_read, unread_key  # here, since it imports all of Hydra

        return str(unread_key(name[1], keys_read(config)))
    if name and name[1] in _ELSEWHERE:
        return f"unknown key {name[1]}; {_ELSEWHERE[name[1]]}"
    known = config_keys(config) if config else []
    near = difflib.get_close_matches(name[1], known, n=1, cutoff=0.75) if name else []
    if name and name[1].startswith("trainer."):
        meant = f" (did you mean {near[0]}?)" if near and near[0] != name[1] else ""
        return f"{name[1]} is not in the config{meant}; write +{name[1]}= if it is an option of Lightning's Trainer."
    if name and name[1] not in known:
        return f"unknown key {name[1]}{f'; did you mean {near[0]}?' if near else ' (see `--help`).'}"
    return f"{text} (see `--help`)."
