"""``run.json``: the state of a run and its best epoch."""

import shutil
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.files import write_json
from mmn.outside import read_json

FILE = "run.json"


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


def clear(folder: Path) -> None:
    """Remove what an earlier run left in the folder of a new one."""
    for name in (FILE, "metrics.json", "metrics.csv", "curves.png", "config.yaml", "wandb_id", "nonfinite_batch.pt"):
        (folder / name).unlink(missing_ok=True)
    for scores in folder.glob("scores_*.h5"):
        scores.unlink()
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
