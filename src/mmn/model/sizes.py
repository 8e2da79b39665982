"""Sizes a network can have, and inputs it can take."""

from typing import Any

from torch import Tensor

from mmn.errors import UserError


def check_input(config: dict[str, Any], clips: Tensor, times: Tensor) -> None:
    """Refuse what a network of that config cannot take.

    Raises:
        UserError: naming the shapes it takes and was given.
    """
    t, v, c = (config[key] for key in ("num_frames", "num_joints", "coordinates"))
    if clips.ndim != 4 or tuple(clips.shape[1:]) != (t, v, c) or times.shape != clips.shape[:2]:
        raise UserError(
            f"the network takes clips (B, {t}, {v}, {c}) with times (B, {t}), "
            f"and was given {tuple(clips.shape)} with {tuple(times.shape)}; prepare them with mmn.prepare "
            "and the layout the network was trained with."
        )


def check_sizes(config: dict[str, Any]) -> None:
    """Refuse sizes from which no network can be built.

    Raises:
        UserError: naming the size, its value and what it has to be.
    """
    for key in ("num_joints", "num_classes", "coordinates", "depth", "scales", "heads"):
        if config[key] < 1:
            raise UserError(f"the network's {key} is {config[key]}; it has to be at least 1.")
    if config["lift"] is not None and (not config["lift"] or min(config["lift"]) < 1):
        raise UserError(f"the network's lift is {config['lift']}; give widths of at least 1, as [32, 64], or null.")
    if config["width"] < 1 or config["width"] % (4 * config["heads"]):
        raise UserError(
            f"the network's width is {config['width']}; with {config['heads']} heads it has to be a multiple of "
            f"{4 * config['heads']} (4 × heads)."
        )
    factor = 2 ** (config["scales"] - 1)
    if config["num_frames"] < 1 or config["num_frames"] % factor:
        raise UserError(
            f"the network's num_frames is {config['num_frames']}; with {config['scales']} scales it has to be "
            f"a multiple of {factor}."
        )
    if config["num_frames"] // factor * config["num_joints"] == 1:
        raise UserError(
            f"the network's num_frames {config['num_frames']}, scales {config['scales']} and num_joints 1 leave its "
            "coarsest scale a single value, which has no deviation; give more frames or fewer scales."
        )
    for key in ("drop_path", "dropout"):
        if not 0 <= config[key] < 1:
            raise UserError(f"the network's {key} is {config[key]}; it is a probability, at least 0 and below 1.")
    if int(config["width"] * config["mlp_ratio"]) < 1:
        raise UserError(f"the network's mlp_ratio is {config['mlp_ratio']}; it has to leave the MLP a channel.")
