"""Resolve a run folder to the checkpoint of its best epoch."""

from pathlib import Path

from mmn.errors import UserError


def checkpoint_file(path: str) -> str:
    """The path itself, or for a run folder the checkpoint of its best epoch.

    Raises:
        UserError: the folder has no such checkpoint.
    """
    if "://" in path or not Path(path).is_dir():
        return path
    for best in (Path(path, "checkpoints", "best.ckpt"), Path(path, "best.ckpt")):
        if best.is_file():
            return str(best)
    raise UserError(f"{path} contains no checkpoints/best.ckpt; give a run folder or a checkpoint.")
