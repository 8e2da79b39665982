"""Checkpoints: what they say of themselves, and networks from any of them."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmn.data.format.layout import Classes, Layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.modality import Modality
from mmn.errors import UserError
from mmn.model.mmn import MMN
from mmn.model.official import from_official, is_official

KEY = "mmn"
"""Where a Lightning checkpoint keeps the description."""

_NETWORK = "network."  # the network's prefix in the LightningModule's state dict


@dataclass(frozen=True)
class Description:
    """What a checkpoint knows besides weights; evaluation needs nothing else.

    Attributes:
        modality: what the network sees of a clip.
        layout: the skeleton it was trained on.
        classes: what it recognises.
        data: short name of the data set.
        data_path: the file it was trained on, as it was given.
    """

    modality: Modality
    layout: Layout
    classes: Classes
    data: str
    data_path: str

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, so that the checkpoint loads with ``weights_only=True``."""
        return {
            "version": 1,
            "modality": self.modality.name,
            "bone_rule": self.modality.bone_rule,
            "layout": self.layout.as_dict(),
            "classes": {
                "names": list(self.classes.names),
                "group_of_class": list(self.classes.group_of_class),
                "group_names": list(self.classes.group_names),
            },
            "data": self.data,
            "data_path": self.data_path,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any], where: str) -> "Description":
        """The inverse of ``as_dict``.

        Raises:
            UserError: a version this program does not read.
        """
        if plain.get("version") != 1:
            raise UserError(f"{where} was written by a newer mmn (version {plain.get('version')}); update mmn.")
        return cls(
            modality=Modality(plain["modality"], plain["bone_rule"]),
            layout=Layout.from_dict(plain["layout"], f"in {where}"),
            classes=Classes(**plain["classes"]),
            data=plain["data"],
            data_path=plain["data_path"],
        )


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode and, in our own checkpoints, its description (None in official ones)."""

    network: MMN
    description: Description | None


def load_checkpoint(path: str | Path, **overrides: Any) -> Checkpoint:
    """Read our ``.ckpt`` or an official ``.pt``, executing nothing in it.

    Args:
        path: the file.
        overrides: constructor arguments of ``MMN`` that do not change the weights' shapes.

    Raises:
        UserError: no such file, not a checkpoint, or weights that do not fit the network.
    """
    content = read_checkpoint(Path(path))
    if KEY in content and "state_dict" in content:
        try:
            sizes, description = content[KEY]["network"], Description.from_dict(content[KEY]["description"], str(path))
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} does not describe itself fully ({error} is missing); train it again.") from None
        network = MMN(**{**sizes, **overrides})
        _load(network, content["state_dict"], path)
        return Checkpoint(network.eval(), description)
    for state in (content, content.get("state_dict"), content.get("model")):
        if isinstance(state, dict) and is_official({str(k).removeprefix("module."): v for k, v in state.items()}):
            try:
                return Checkpoint(from_official(state, **overrides), None)
            except UserError as error:
                raise UserError(f"{path}: {error}") from None
    raise UserError(f"{path} is neither a checkpoint of this project nor official MMN weights; give one of these.")


def load_network(path: str | Path, **overrides: Any) -> MMN:
    """The network of a checkpoint, in evaluation mode; see ``load_checkpoint``."""
    return load_checkpoint(path, **overrides).network


def check_fit(path: str | Path, checkpoint: Checkpoint, data: SkeletonData, where: str | Path) -> None:
    """Refuse a file of another skeleton or other classes than the checkpoint's.

    Args:
        path: the checkpoint's, for the sentence.
        checkpoint: what is to score the clips.
        data: content of the file ``where``.
        where: the data file.

    Raises:
        UserError: naming what differs.
    """
    config = checkpoint.network.config
    have = {"joints": data.layout.num_joints, "coordinates": data.coordinates, "classes": len(data.classes.names)}
    need = {"joints": config["num_joints"], "coordinates": config["coordinates"], "classes": config["num_classes"]}
    for what, count in need.items():
        if have[what] != count:
            raise UserError(
                f"{path} is for {count} {what} and {where} has {have[what]}; give the file it was trained for."
            )
    described = checkpoint.description
    if described and (described.layout.order != data.layout.order or described.layout.joints != data.layout.joints):
        raise UserError(f"{path} was trained on another skeleton layout than {where} holds.")
    if described and described.classes.names != data.classes.names:
        raise UserError(f"{path} recognises other classes than {where} holds; compare their names.")


def describe(network: MMN, description: Description) -> dict[str, Any]:
    """What goes under ``KEY`` in a checkpoint."""
    return {"network": dict(network.config), "description": description.as_dict()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}; give ckpt_path the path of one.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and plain values, or is damaged; nothing of it was executed. "
            "Save the state dict alone, or get the file again."
        ) from None
    except Exception as error:  # a damaged archive can raise nearly anything
        raise UserError(f"{path} is not a readable checkpoint ({str(error).splitlines()[0]}); get it again.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__} and not a checkpoint; save the state dict.")
    return content


def _load(network: MMN, state_dict: dict[str, Tensor], path: str | Path) -> None:
    state = {name.removeprefix(_NETWORK): value for name, value in state_dict.items() if name.startswith(_NETWORK)}
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path} does not fit the network it describes: {reason}") from None
