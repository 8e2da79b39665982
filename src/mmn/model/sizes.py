"""Checks of a network's sizes and inputs."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmn.errors import UserError
from mmn.model.embedding import lift_sizes

_MOST_FRAMES = 1 << 16
_MOST_CHANNELS = 1 << 16


def check_input(config: dict[str, Any], clips: Tensor, times: Tensor) -> None:
    """Check that the input fits a network of this config.

    Raises:
        UserError: naming the expected and the given shapes.
    """
    t, v, c = (config[key] for key in ("num_frames", "num_joints", "coordinates"))
    if clips.ndim != 4 or tuple(clips.shape[1:]) != (t, v, c) or times.shape != clips.shape[:2]:
        raise UserError(
            f"the network expects clips (B, {t}, {v}, {c}) and times (B, {t}), "
            f"not {tuple(clips.shape)} and {tuple(times.shape)}; prepare them with mmn.prepare "
            "and the layout the network was trained with."
        )


def check_sizes(config: dict[str, Any]) -> None:
    """Check that a network can have these sizes.

    Raises:
        UserError: naming the size, its value and its limits.
    """
    for key in ("num_joints", "num_classes", "coordinates", "depth", "scales", "heads"):
        if config[key] < 1:
            raise UserError(f"the network's {key} is {config[key]}; use at least 1.")
    if config["lift"] is not None and (not config["lift"] or min(config["lift"]) < 1):
        raise UserError(f"the network's lift is {config['lift']}; use widths of at least 1, as in [32, 64], or null.")
    if config["width"] < 1 or config["width"] % (4 * config["heads"]):
        raise UserError(
            f"the network's width is {config['width']}; with {config['heads']} heads, use a multiple of "
            f"{4 * config['heads']} (4 × heads)."
        )
    factor = 2 ** (config["scales"] - 1)
    if not 1 <= config["num_frames"] <= _MOST_FRAMES or config["num_frames"] % factor:
        raise UserError(
            f"the network's num_frames is {config['num_frames']}; with {config['scales']} scales, use "
            f"a multiple of {factor}, at most {_MOST_FRAMES:,}."
        )
    if config["num_frames"] // factor * config["num_joints"] == 1:
        raise UserError(
            f"the network's num_frames {config['num_frames']}, scales {config['scales']} and num_joints 1 leave the "
            "coarsest scale a single value, without a standard deviation; use more frames or fewer scales."
        )
    for key in ("drop_path", "dropout"):
        if not 0 <= config[key] < 1:
            raise UserError(f"the network's {key} is {config[key]}; use a probability of at least 0 and below 1.")
    if not 1 <= config["width"] * config["mlp_ratio"] <= _MOST_CHANNELS:
        raise UserError(
            f"the network's mlp_ratio is {config['mlp_ratio']}; use a ratio that gives the MLP at least one channel, "
            f"and at most {_MOST_CHANNELS:,}."
        )


def check_state(config: Mapping[str, Any], state: Mapping[str, Tensor], where: str) -> None:
    """Check that sizes match the weights, before a network of these sizes is built.

    Args:
        config: arguments of ``MMN``, or of an ensemble of ``members``, from a file.
        state: the weights.
        where: the file, for error messages.

    Raises:
        UserError: naming the weight.
    """
    if "members" in config:
        each = {key: value for key, value in config.items() if key != "members"}
        for member in range(int(config["members"])):
            prefix = f"members.{member}."
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            check_state(each, own, where)
        return
    width, joints = int(config.get("width", 96)), int(config["num_joints"])
    wanted = {
        "embedding.position": (joints, width),
        "classifier.weight": (int(config["num_classes"]), width),
        "scales.0.0.spatial.matrices": (int(config.get("heads", 4)), joints, joints),
        "scales.0.0.mlp.expand.weight": (int(width * float(config.get("mlp_ratio", 2.0))), width),
    }
    for layer, sizes in enumerate(lift_sizes(int(config.get("coordinates", 2)), config.get("lift"), width)):
        wanted[f"embedding.lift.{layer}.weight"] = sizes[::-1]
    for name, shape in wanted.items():
        found = tuple(state[name].shape) if name in state else "none"
        if found != shape:
            raise UserError(f"{where} does not fit the network it describes: {name} has shape {found}, not {shape}.")
    blocks = sum(name.endswith(".branch_norm.weight") for name in state)
    if blocks != int(config.get("depth", 3)) * int(config.get("scales", 4)):
        raise UserError(f"{where} does not fit the network it describes: it has the weights of {blocks} blocks.")
