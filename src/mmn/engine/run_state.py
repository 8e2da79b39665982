"""``run.json``: how far a run is, and its best epoch."""

import json
import shutil
from pathlib import Path
from typing import Any

from mmn.files import write_json

FILE = "run.json"


def read_state(folder: Path) -> dict[str, Any]:
    """The content of a run's ``run.json``; empty where there is none, or a damaged one."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_state(folder: Path, **changes: Any) -> None:
    """Change some of the entries."""
    write_json(folder / FILE, {**read_state(folder), **changes})


def is_finished(folder: Path) -> bool:
    """Whether the run in ``folder`` has ended by itself."""
    return read_state(folder).get("state") == "finished"


def is_interrupted(folder: Path) -> bool:
    """Whether a run in ``folder`` has been begun, has saved a checkpoint, and has not ended by itself."""
    return last_checkpoint(folder).exists() and not is_finished(folder)


def last_checkpoint(folder: Path) -> Path:
    """Where a run keeps what it resumes from."""
    return folder / "checkpoints" / "last.ckpt"


def clear(folder: Path) -> None:
    """Remove what an earlier run left in a folder that a new one starts in."""
    for name in (FILE, "metrics.json", "metrics.csv", "curves.png", "config.yaml", "wandb_id", "nonfinite_batch.pt"):
        (folder / name).unlink(missing_ok=True)
    for scores in folder.glob("scores_*.h5"):
        scores.unlink()
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
