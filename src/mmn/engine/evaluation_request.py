"""The settings of an evaluation, checked before anything slow is imported or read."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from mmn.engine.keys import config_keys, given_keys
from mmn.errors import UserError
from mmn.evaluation.choices import Average, Fusion, GroupColumns
from mmn.evaluation.weights import shares
from mmn.inference.checkpoint_file import checkpoint_file

PLACEMENT = ("accelerator", "devices", "num_nodes", "strategy")
"""The keys of ``trainer`` that evaluation reads."""

_INSTEAD = {
    "trainer.precision": "use precision=32 or precision=bf16",
    "trainer": "of the trainer settings, it reads only accelerator, devices, num_nodes and strategy",
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
        temperature: ``"auto"`` to divide each stream's logits by a temperature fitted to the val split.
        val_paths: files to fit on instead of each path; None for the path's own val scores.
        average: what is averaged over streams.
        fusion: ``"sum"``; ``"hierarchy"`` for a network of actions and one of their body groups; ``"route"`` for a
            network of groups and networks of their actions.
        group_weight: λ of log p(action) + λ · log p(group), ``"auto"`` to fit it to the val split; None for
            log p(group) + log p(action | group).
        groups: how the challenge file ranks body groups.
        split: the split to score.
        files: data files by name without suffix; None for the file that a checkpoint was trained on.
        samplings: frame samplings averaged per clip.
        flip: whether to average over mirrored clips too.
        precision: ``"32"`` or ``"bf16"``.
        compile: whether to compile the networks and record them as CUDA graphs.
    """

    paths: list[str]
    weights: list[float] | Literal["auto"]
    temperature: Literal["auto"] | None
    val_paths: list[str | None]
    average: Average
    fusion: Fusion
    group_weight: float | Literal["auto"] | None
    groups: GroupColumns
    split: str
    files: dict[str, str | None]
    samplings: int
    flip: bool
    precision: str
    compile: bool

    @property
    def fits(self) -> bool:
        """Whether anything is fitted to the val split."""
        return "auto" in (self.weights, self.temperature, self.group_weight)


def read_request(cfg: DictConfig) -> EvaluationRequest:
    """Read and check the evaluation settings of a composed config.

    Raises:
        UserError: keys that evaluation does not read, no checkpoint, or invalid values.
    """
    _check_keys()
    paths = [str(p) for p in cfg.ckpt_path] if isinstance(cfg.ckpt_path, ListConfig) else [cfg.ckpt_path]
    if not paths or paths == [None]:
        raise UserError("there is nothing to evaluate; give ckpt_path=FILE or ckpt_path=[FILE,FILE].")
    paths = [checkpoint_file(str(path)) for path in paths]
    if all(path.endswith(".h5") for path in paths):
        _check_scores_only()
    given = OmegaConf.to_container(cfg.weights) if isinstance(cfg.weights, ListConfig) else cfg.weights
    samplings, flip, precision = cfg.tta.samplings, cfg.tta.flip, str(cfg.precision)
    if not isinstance(samplings, int) or isinstance(samplings, bool) or samplings < 1:
        raise UserError(f"tta.samplings is {samplings}; it must be an integer of at least 1.")
    if not isinstance(flip, bool):
        raise UserError(f"tta.flip is {flip}; it must be true or false.")
    if precision not in ("32", "bf16"):
        raise UserError(f"precision is {precision}; it must be 32 or bf16.")
    if not isinstance(cfg.compile, bool):
        raise UserError(f"compile is {cfg.compile}; it must be true or false.")
    if cfg.average not in ("logits", "probabilities"):
        raise UserError(f"average is {cfg.average}; it must be logits or probabilities.")
    if cfg.temperature not in (None, "auto"):
        raise UserError(f"temperature is {cfg.temperature}; it must be auto or null.")
    if cfg.groups not in get_args(GroupColumns):
        raise UserError(f"groups is {cfg.groups}; it must be action, marginal or network.")
    if cfg.groups == "network" and cfg.fusion == "sum":
        raise UserError("groups=network needs a network of groups among the streams; add fusion=hierarchy or route.")
    weights: list[float] | Literal["auto"] = "auto"
    if given != "auto" or len(paths) == 1:
        weights = shares(None if given == "auto" else given, len(paths))
    fusion, group_weight = _fusion(cfg)
    request = EvaluationRequest(
        paths=paths,
        weights=weights,
        temperature=cfg.temperature,
        val_paths=[None] * len(paths),
        average=cfg.average,
        fusion=fusion,
        group_weight=group_weight,
        groups=cfg.groups,
        split=str(cfg.split),
        files=_files(cfg.data.path),
        samplings=samplings,
        flip=flip,
        precision=precision,
        compile=cfg.compile,
    )
    if request.fits and request.split == "val":
        fitted = [key for key in ("weights", "temperature", "group_weight") if cfg[key] == "auto"]
        raise UserError(f"{fitted[0]}=auto is fitted to the val split, so split=val would be biased; change either.")
    return replace(request, val_paths=_val_paths(cfg, request))


def _val_paths(cfg: DictConfig, request: EvaluationRequest) -> list[str | None]:
    """The files to fit on, one per path."""
    given = cfg.val_path
    if given is None:
        return request.val_paths
    if not request.fits:
        raise UserError("val_path is only for fitting; set temperature, weights or group_weight to auto.")
    paths = list(given) if isinstance(given, ListConfig) else [given]
    if len(paths) != len(request.paths):
        raise UserError(
            f"there are {len(request.paths)} streams but {len(paths)} in val_path; give one per stream, or null where "
            "ckpt_path is a checkpoint."
        )
    return [None if path is None else checkpoint_file(str(path)) for path in paths]


def _fusion(cfg: DictConfig) -> tuple[Fusion, float | Literal["auto"] | None]:
    """How streams become one, and the weight of body groups."""
    fusion, weight = cfg.fusion, cfg.group_weight
    if fusion not in get_args(Fusion):
        raise UserError(f"fusion is {fusion}; it must be sum, hierarchy or route.")
    if fusion != "hierarchy" and weight is not None:
        raise UserError(f"group_weight={weight} is only for fusion=hierarchy; add it, or leave group_weight out.")
    if fusion != "sum" and cfg.weights is not None:
        raise UserError("weights are only for fusion=sum; leave them out (fusion=hierarchy takes group_weight).")
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not (weight is None or weight == "auto" or (number and 0 <= weight < float("inf"))):
        raise UserError(f"group_weight is {weight}; it must be a number of at least 0, auto or null.")
    return fusion, weight


def _files(path: Any) -> dict[str, str | None]:
    """The data files, by name without suffix."""
    if not isinstance(path, ListConfig):
        return {"": path}
    files: dict[str, str | None] = {Path(str(one)).stem: str(one) for one in path}
    if len(files) != len(path) or not files:
        raise UserError("data.path lists no files, or two with the same name; list files with distinct names.")
    return files


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


def _check_scores_only() -> None:
    """Refuse command-line keys that have no effect on scores files."""
    for key in given_keys():
        if key in ("data.path", "precision", "compile") or key.partition(".")[0] in ("tta", "modality"):
            raise UserError(f"{key} has no effect on scores files, and ckpt_path names nothing else; leave it out.")


def keys_read(config: Path) -> list[str]:
    """The config keys that evaluation reads; the ``trainer`` group, shared with training, has more."""
    keys = [key for key in config_keys(config, ("paths", "trainer", "modality")) if key not in _INSTEAD]
    read = [key for key in keys if not key.startswith("trainer.") or key.partition(".")[2] in PLACEMENT]
    return [*read, "experiment", "trainer"]


def unread_key(key: str, known: Sequence[str]) -> UserError:
    """The error for a key that evaluation does not read."""
    if key in known:
        return UserError(f"{key} needs a choice of {key.partition('.')[0]}, but none is made; add one before it.")
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    instead = next((text for old, text in _INSTEAD.items() if key == old or key.startswith(f"{old}.")), None)
    if near and instead is None:
        return UserError(f"evaluation does not read {key}; did you mean {near[0]}?")
    return UserError(f"evaluation does not read {key}; {instead or 'eval.py --help shows what it reads'}.")
