"""What a run starts from: a checkpoint's weights and, with ``transfer=true``, its settings."""

import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict

from mmn.data.format.classes import load_classes
from mmn.data.format.layout import load_layout
from mmn.engine.keys import given_keys
from mmn.engine.networks import named_networks
from mmn.engine.resume import checkpoint_to_resume
from mmn.errors import UserError
from mmn.inference.checkpoint import KEY, OURS, Checkpoint, load_checkpoint
from mmn.inference.stream import MMN_TARGET, Stream
from mmn.inference.weights_only import read_checkpoint
from mmn.training.module import MMNModule
from mmn.training.parameters import freeze_body
from mmn.training.transfer import Origin, carry_over

log = logging.getLogger(__name__)

_OF_THE_DATA = ("num_joints", "num_classes", "coordinates", "num_frames")
_OF_TRAINING = ("drop_path", "dropout", "freeze_biases")  # network arguments that do not affect its weights' shapes


def take_over_settings(cfg: DictConfig, folder: Path) -> None:
    """With ``transfer``, set the preprocessing and the network's sizes to the checkpoint's.

    Settings from the command line take precedence. Official weights determine only the sizes.

    Args:
        cfg: changed in place.
        folder: the run folder; an interrupted run in it takes precedence over ``init_from``.
    """
    path = (checkpoint_to_resume(cfg, folder) or cfg.init_from) if cfg.transfer else None
    if path is None:
        return
    source, given = load_checkpoint(path, named_networks(cfg.model)), given_keys()
    settings = settings_of(source)
    target = settings["model"]["_target_"]
    if cfg.model._target_ != target and not {cfg.model._target_, target} <= OURS.keys():
        del settings["model"]
    with open_dict(cfg):
        if target == MMN_TARGET and "model" not in given:
            cfg.model.pop("members", None)
        for group, values in settings.items():
            if group in given and group != "data":
                continue
            for key, value in values.items():
                if f"{group}.{key}" not in given:
                    cfg[group][key] = value


def settings_of(checkpoint: Checkpoint) -> dict[str, dict[str, Any]]:
    """The settings that ``transfer`` takes over: config group → key → value, with the network's class."""
    sizes = {k: v for k, v in checkpoint.arguments.items() if k not in (*_OF_THE_DATA, *_OF_TRAINING)}
    sizes = {"_target_": checkpoint.stream.target if checkpoint.stream else MMN_TARGET, **sizes}
    if checkpoint.stream is None:
        return {"model": sizes}
    plain = checkpoint.stream.preprocessing.as_dict()
    sampling = plain["sampling"]
    of_data = {"num_frames": plain["num_frames"], "normalisation": plain["normalisation"]}
    of_data |= {"sampling": sampling["name"], "sampling_strength": sampling["strength"]}
    return {"modality": plain["modality"], "data": of_data, "model": sizes}


def begin(cfg: DictConfig, module: MMNModule, resume: Path | None) -> dict[str, Any]:
    """Load the weights that training starts from, and freeze the parameters that are not trained.

    Args:
        cfg: the run's config.
        module: its network and record are changed in place.
        resume: the checkpoint to resume from, if any; its weights are loaded later.

    Returns:
        ``{"start": …}`` for ``run.json``; empty for random weights.

    Raises:
        UserError: the weights cannot be used.
    """
    start: dict[str, Any] = {}
    if resume is not None:
        start = read_checkpoint(resume)[KEY]["run"].get("start") or {}
    elif cfg.init_from is not None and cfg.transfer:
        carried = carry_over(module.network, module.stream, _origin(cfg))
        log.info("%s", carried.in_words())
        start = carried.as_dict()
    elif cfg.init_from is not None:
        _load_all(cfg, module)
        start = {"source": str(cfg.init_from)}
    if cfg.freeze == "body":
        layout = module.stream.layout
        new = [p for p, joint in enumerate(layout.order) if layout.joints[joint] in start.get("new_joints", ())]
        first: Any = module.network.channel_axes() if start.get("new_channels") else ()  # type: ignore[operator]
        module.held = freeze_body(module.network, [*start.get("new", ()), *first], new)
    if start:
        module.record["start"] = start
    return {"start": start} if start else {}


def _origin(cfg: DictConfig) -> Origin:
    """The network of ``init_from``, with the names of its joints and classes if known."""
    path, checkpoint = str(cfg.init_from), load_checkpoint(cfg.init_from, named_networks(cfg.model))
    if checkpoint.stream is not None:
        if cfg.init_layout is not None:
            raise UserError(f"init_from={path} records its own layout; leave init_layout={cfg.init_layout} out.")
        layout = checkpoint.stream.layout
        names = [layout.joints[joint] for joint in layout.order]
        channels = checkpoint.stream.modality.channel_names(checkpoint.stream.coordinates, layout)
        return Origin(path, checkpoint.network, names, checkpoint.stream.classes.names, channels)
    if cfg.init_layout is None:
        return Origin(path, checkpoint.network, None, None)
    return _official(path, checkpoint, str(cfg.init_layout))


def _official(path: str, checkpoint: Checkpoint, name: str) -> Origin:
    """Official weights for a layout, and its classes if their number matches."""
    layout, classes, sizes = load_layout(name), load_classes(name), checkpoint.arguments
    if len(layout.order) != sizes["num_joints"]:
        raise UserError(
            f"init_from={path} has {sizes['num_joints']} joints, but init_layout={name} has {len(layout.order)}; give "
            "the layout it was trained with."
        )
    names = classes.names if classes and len(classes.names) == sizes["num_classes"] else None
    return Origin(path, checkpoint.network, [layout.joints[joint] for joint in layout.order], names)


def _load_all(cfg: DictConfig, module: MMNModule) -> None:
    """Load weights with the same names and shapes, with a warning if they were trained for something else.

    Raises:
        UserError: the checkpoint's network has other sizes.
    """
    ours = module.network.state_dict()
    source = load_checkpoint(cfg.init_from, named_networks(cfg.model))
    theirs = source.network.state_dict()
    different = [
        name for name in ours.keys() | theirs.keys()
        if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape
    ]  # fmt: skip
    if different:
        name = min(different)
        shapes = [tuple(state[name].shape) if name in state else "none" for state in (theirs, ours)]
        raise UserError(
            f"init_from={cfg.init_from} does not fit the network to be trained: {name} has shape {shapes[0]} there and "
            f"{shapes[1]} here; use weights with the same joints, classes and model.* sizes, or copy what fits with "
            "transfer=true."
        )
    module.network.load_state_dict(theirs)
    log.info("starting from the weights of %s", cfg.init_from)
    if source.stream is not None and (changed := _differences(source.stream, module.stream)):
        text = "these weights are for another %s; transfer=true matches classes, joints and channels by name"
        log.warning(text, " and other ".join(changed))


def _differences(theirs: Stream, ours: Stream) -> list[str]:
    """How the input, joints and classes that weights were trained for differ from ours, in words."""
    before, after = (
        {f"modality.{key}": value for key, value in s.modality.as_dict().items() if key != "shown"}
        | {"data.normalisation": s.preprocessing.normalisation}
        for s in (theirs, ours)
    )
    changed = [f"{key} ({before[key]}, now {now})" for key, now in after.items() if before[key] != now]
    joints = [[s.layout.joints[joint] for joint in s.layout.order] for s in (theirs, ours)]
    changed += ["joints"] if joints[0] != joints[1] else []
    return changed + (["classes"] if theirs.classes.names != ours.classes.names else [])
