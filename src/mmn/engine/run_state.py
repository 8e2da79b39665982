"""``run.json``: the state of a run and its best epoch."""

import shutil
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.files import write_json
from mmn.outside import read_json

FILE = "run.json"
_WRITTEN = ("config.yaml", "metrics.json", "metrics.csv", "curves.png", "wandb_id", "nonfinite_batch.pt")


def read_state(folder: Path) -> dict[str, Any]:
    """The content of a run's ``run.json``; empty if missing or damaged."""
    try:
        content = read_json(folder / FILE)
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}


def write_state(folder: Path, **changes: Any) -> None:
    """Update some of the entries."""
    write_json(folder / FILE, {**read_state(folder), **changes})


def is_finished(folder: Path) -> bool:
    """Whether the run in ``folder`` has completed."""
    return read_state(folder).get("state") == "finished"


def is_interrupted(folder: Path) -> bool:
    """Whether the run in ``folder`` has saved a checkpoint and has not completed."""
    return last_checkpoint(folder).exists() and not is_finished(folder)


def last_checkpoint(folder: Path) -> Path:
    """The checkpoint that a run resumes from."""
    return folder / "checkpoints" / "last.ckpt"


def check_vacant(folder: Path) -> None:
    """Check that a new run in ``folder`` replaces at most a finished one.

    Raises:
        UserError: the folder has an interrupted run, or files of the same names that no run wrote.
    """
    if is_interrupted(folder):
        raise UserError(
            f"{folder} has an interrupted run, which a new one would replace: continue it with resume=true, give "
            "another folder (hydra.run.dir, for sweeps hydra.sweep.dir), or delete this one."
        )
    foreign = [path.name for path in (*_written(folder), folder / "checkpoints") if path.exists()]
    if foreign and not (folder / FILE).exists():
        raise UserError(f"{folder} is not the folder of a run but has {foreign[0]}; give another hydra.run.dir.")


def clear(folder: Path) -> None:
    """Remove what an earlier run left in the folder of a new one."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    for path in (*_written(folder), folder / FILE):  # what marks it as a run last
        path.unlink(missing_ok=True)


def _written(folder: Path) -> list[Path]:
    """What a run writes beside its state and checkpoints."""
    return [*(folder / name for name in _WRITTEN), *folder.glob("scores_*.h5")]
