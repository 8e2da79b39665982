"""The settings of an evaluation, checked before anything slow is imported or read."""

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
"""The keys of ``trainer`` that evaluation reads."""

_INSTEAD = {
    "trainer.precision": "use precision=32 or precision=bf16",
    "trainer": "of trainer it reads accelerator, devices, num_nodes and strategy",
    "model": "the checkpoint determines the network",
    "loss": "evaluation reports the plain cross entropy",
    "logger": "evaluation only writes files",
    "callbacks": "evaluation runs none",
    "debug": "evaluation is one pass over a split",
    "seed": "evaluation is not random",
    "augmentation": "use tta.samplings= and tta.flip= for test-time augmentation",
    "data.modality": "use modality=",
    "data.num_frames": "the checkpoint determines the number of frames",
}
"""Keys of training that do not apply here → what to use instead, or why."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to score, and how.

    Attributes:
        paths: checkpoints and scores files; run folders are replaced by their best epoch.
        weights: one per path, summing to 1; ``"auto"`` to fit them to the val split.
        average: what is averaged over streams.
        fusion: ``"sum"``, or ``"hierarchy"`` for a network of actions and one of their body groups.
        group_weight: λ of log p(action) + λ · log p(group), ``"auto"`` to fit it to the val split; None for
            log p(group) + log p(action | group).
        split: the split to score.
        files: data files by name without suffix; None for the file that a checkpoint was trained on.
        samplings: frame samplings averaged per clip.
        flip: whether to average over mirrored clips too.
        precision: ``"32"`` or ``"bf16"``.
    """

    paths: list[str]
    weights: list[float] | Literal["auto"]
    average: Literal["logits", "probabilities"]
    fusion: Literal["sum", "hierarchy"]
    group_weight: float | Literal["auto"] | None
    split: str
    files: dict[str, str | None]
    samplings: int
    flip: bool
    precision: str


def read_request(cfg: DictConfig) -> EvaluationRequest:
    """Read and check the evaluation settings of a composed config.

    Raises:
        UserError: keys that evaluation does not read, no checkpoint, or invalid values.
    """
    _check_keys()
    paths = [str(p) for p in cfg.ckpt_path] if isinstance(cfg.ckpt_path, ListConfig) else [cfg.ckpt_path]
    if not paths or paths == [None]:
        raise UserError("there is nothing to evaluate; give ckpt_path=FILE or ckpt_path=[FILE,FILE].")
    paths = [_file(str(path)) for path in paths]
    given = OmegaConf.to_container(cfg.weights) if isinstance(cfg.weights, ListConfig) else cfg.weights
    samplings, flip, precision = cfg.tta.samplings, cfg.tta.flip, str(cfg.precision)
    if not isinstance(samplings, int) or isinstance(samplings, bool) or samplings < 1:
        raise UserError(f"tta.samplings is {samplings}; it must be an integer of at least 1.")
    if not isinstance(flip, bool):
        raise UserError(f"tta.flip is {flip}; it must be true or false.")
    if precision not in ("32", "bf16"):
        raise UserError(f"precision is {precision}; it must be 32 or bf16.")
    if cfg.average not in ("logits", "probabilities"):
        raise UserError(f"average is {cfg.average}; it must be logits or probabilities.")
    if given == "auto" and cfg.split == "val" and len(paths) > 1:
        raise UserError("weights=auto fits them to the val split, so split=val would be biased; change either.")
    weights: list[float] | Literal["auto"] = "auto" if given == "auto" else shares(given, len(paths))
    return EvaluationRequest(
        paths, weights, cfg.average, *_fusion(cfg), str(cfg.split), _files(cfg.data.path), samplings, flip, precision
    )


def _fusion(cfg: DictConfig) -> tuple[Literal["sum", "hierarchy"], float | Literal["auto"] | None]:
    """How streams become one, and the weight of body groups."""
    fusion, weight = cfg.fusion, cfg.group_weight
    if fusion not in ("sum", "hierarchy"):
        raise UserError(f"fusion is {fusion}; it is sum or hierarchy.")
    if fusion == "sum" and weight is not None:
        raise UserError(f"group_weight={weight} is for fusion=hierarchy; add it, or leave group_weight out.")
    if fusion == "hierarchy" and cfg.weights is not None:
        raise UserError("weights are for fusion=sum; of fusion=hierarchy give group_weight.")
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not (weight is None or weight == "auto" or (number and 0 <= weight < float("inf"))):
        raise UserError(f"group_weight is {weight}; it is a number of at least 0, auto, or null.")
    if weight == "auto" and cfg.split == "val":
        raise UserError("group_weight=auto fits it to the val split, which split=val would report; give another split.")
    return fusion, weight


def _files(path: Any) -> dict[str, str | None]:
    """The data files, by name without suffix."""
    if not isinstance(path, ListConfig):
        return {"": path}
    files: dict[str, str | None] = {Path(str(one)).stem: str(one) for one in path}
    if len(files) != len(path) or not files:
        raise UserError("data.path lists no files, or two with the same name; list files with distinct names.")
    return files


def _file(path: str) -> str:
    """A checkpoint or scores file; for a run folder, its best epoch."""
    if "://" in path or not Path(path).is_dir():
        return path
    for best in (Path(path, "checkpoints", "best.ckpt"), Path(path, "best.ckpt")):
        if best.is_file():
            return str(best)
    raise UserError(f"{path} contains no checkpoints/best.ckpt; give a run folder or a checkpoint.")


def _check_keys() -> None:
    """Refuse command-line keys that have no effect on evaluation."""
    if not HydraConfig.initialized():
        return
    hydra = HydraConfig.get()
    folder = next(source.path for source in hydra.runtime.config_sources if source.provider == "main")
    known = keys_read(Path(folder, f"{hydra.job.config_name}.yaml"))
    for override in hydra.overrides.task:
        key = override.lstrip("+~").partition("=")[0].partition("@")[0]
        if key not in known and not key.startswith("trainer.strategy."):
            raise unread_key(key, known)


def keys_read(config: Path) -> list[str]:
    """The config keys that evaluation reads; the ``trainer`` group, shared with training, has more."""
    keys = [key for key in config_keys(config, ("paths", "trainer", "modality")) if key not in _INSTEAD]
    read = [key for key in keys if not key.startswith("trainer.") or key.partition(".")[2] in PLACEMENT]
    return [*read, "experiment", "trainer"]


def unread_key(key: str, known: Sequence[str]) -> UserError:
    """The error for a key that evaluation does not read."""
    if key in known:
        return UserError(f"{key} needs a choice of {key.partition('.')[0]}, and none is made; add one before it.")
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    instead = next((text for old, text in _INSTEAD.items() if key == old or key.startswith(f"{old}.")), None)
    if near and instead is None:
        return UserError(f"evaluation does not read {key}; did you mean {near[0]}?")
    return UserError(f"evaluation does not read {key}; {instead or 'eval.py --help shows what it reads'}.")
