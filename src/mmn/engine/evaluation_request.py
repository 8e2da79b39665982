"""What an evaluation is asked for, checked before anything slow is imported or read."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from mmn.engine.keys import config_keys
from mmn.errors import UserError
from mmn.evaluation.weights import shares

PLACEMENT = ("accelerator", "devices", "num_nodes", "strategy")
"""What evaluation reads of ``trainer``."""

_INSTEAD = {
    "trainer.precision": "precision=32 or precision=bf16 is what it reads",
    "trainer": "of the trainer it reads accelerator, devices, num_nodes and strategy",
    "model": "a checkpoint knows its network",
    "loss": "evaluation reports the plain cross entropy",
    "logger": "evaluation writes files alone",
    "callbacks": "evaluation has none",
    "debug": "evaluation is one pass over a split",
    "seed": "evaluation is not random",
    "augmentation": "tta.samplings= and tta.flip= are its several looks at a clip",
    "data.modality": "give modality=",
    "data.num_frames": "a checkpoint knows its frames",
}
"""What people who know training may look for."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to score, and how.

    Attributes:
        paths: checkpoints and scores files, folders replaced by their best epoch.
        weights: one for each, together 1; ``"auto"`` to find them on the val split.
        average: what of several streams is added up.
        split: of the data file.
        files: to score, by their names without suffix; None for the one that a checkpoint was trained on.
        samplings: of frames, and whether mirrored ones as well.
        flip: see ``samplings``.
        precision: ``"32"`` or ``"bf16"``.
    """

    paths: list[str]
    weights: list[float] | Literal["auto"]
    average: Literal["logits", "probabilities"]
    split: str
    files: dict[str, str | None]
    samplings: int
    flip: bool
    precision: str


def read_request(cfg: DictConfig) -> EvaluationRequest:
    """The request in a composed config.

    Raises:
        UserError: keys that evaluation does not read, no checkpoint, or values it cannot take.
    """
    _check_keys()
    paths = [str(p) for p in cfg.ckpt_path] if isinstance(cfg.ckpt_path, ListConfig) else [cfg.ckpt_path]
    if not paths or paths == [None]:
        raise UserError("there is nothing to evaluate; give ckpt_path=FILE or ckpt_path=[FILE,FILE].")
    paths = [_file(str(path)) for path in paths]
    asked = OmegaConf.to_container(cfg.weights) if isinstance(cfg.weights, ListConfig) else cfg.weights
    samplings, flip, precision = cfg.tta.samplings, cfg.tta.flip, str(cfg.precision)
    if not isinstance(samplings, int) or isinstance(samplings, bool) or samplings < 1:
        raise UserError(f"tta.samplings is {samplings}; it counts the samplings averaged, at least 1.")
    if not isinstance(flip, bool):
        raise UserError(f"tta.flip is {flip}; it is true or false.")
    if precision not in ("32", "bf16"):
        raise UserError(f"there is no precision {precision!r} for inference; choose 32 or bf16.")
    if cfg.average not in ("logits", "probabilities"):
        raise UserError(f"average is {cfg.average}; it is logits or probabilities.")
    if asked == "auto" and cfg.split == "val" and len(paths) > 1:
        raise UserError("weights=auto fits them to the val split, which split=val would report; give another of them.")
    weights: list[float] | Literal["auto"] = "auto" if asked == "auto" else shares(asked, len(paths))
    return EvaluationRequest(
        paths, weights, cfg.average, str(cfg.split), _files(cfg.data.path), samplings, flip, precision
    )


def _files(path: Any) -> dict[str, str | None]:
    """The data files, by their names without suffix."""
    if not isinstance(path, ListConfig):
        return {"": path}
    files: dict[str, str | None] = {Path(str(one)).stem: str(one) for one in path}
    if len(files) != len(path) or not files:
        raise UserError("data.path lists no files, or two of one name, by which their clips are told apart.")
    return files


def _file(path: str) -> str:
    """A checkpoint or scores file; of a run's folder its best epoch."""
    if "://" in path or not Path(path).is_dir():
        return path
    for best in (Path(path, "checkpoints", "best.ckpt"), Path(path, "best.ckpt")):
        if best.is_file():
            return str(best)
    raise UserError(f"{path} holds no checkpoints/best.ckpt; give the folder of a run, or a checkpoint itself.")


def _check_keys() -> None:
    """Refuse every key that the command line sets and that has no effect here."""
    if not HydraConfig.initialized():
        return
    hydra = HydraConfig.get()
    folder = next(source.path for source in hydra.runtime.config_sources if source.provider == "main")
    known = keys_read(Path(folder, f"{hydra.job.config_name}.yaml"))
    for override in hydra.overrides.task:
        key = override.lstrip("+~").partition("=")[0].partition("@")[0]
        if key not in known and not key.startswith("trainer.strategy."):
            raise unread(key, known)


def keys_read(config: Path) -> list[str]:
    """The keys of evaluation's config that it reads; the trainer's group is training's too and has more."""
    keys = [key for key in config_keys(config, ("paths", "trainer", "modality")) if key not in _INSTEAD]
    read = [key for key in keys if not key.startswith("trainer.") or key.partition(".")[2] in PLACEMENT]
    return [*read, "experiment", "trainer"]


def unread(key: str, known: Sequence[str]) -> UserError:
    """The sentence about a key that evaluation does not read."""
    if key in known:
        return UserError(f"{key} belongs to a choice of {key.partition('.')[0]}, and none is made; make one before it.")
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    instead = next((text for old, text in _INSTEAD.items() if key == old or key.startswith(f"{old}.")), None)
    if near and instead is None:
        return UserError(f"evaluation does not read {key}; did you mean {near[0]}?")
    return UserError(f"evaluation does not read {key}; {instead or 'eval.py --help shows what it reads'}.")
