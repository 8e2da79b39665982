"""Checkpoints of this project and of the official code, and networks from either."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.errors import UserError
from mmn.inference.checkpoint_file import checkpoint_file
from mmn.inference.stream import ENSEMBLE_TARGET, MMN_TARGET, Stream, with_stream
from mmn.inference.weights_only import check_weights, read_checkpoint
from mmn.model.ensemble import MMNEnsemble
from mmn.model.mmn import MMN
from mmn.model.official import from_official, is_official
from mmn.model.sizes import check_state
from mmn.outside import from_outside

KEY = "mmn"
"""Key of the stream and the run's settings in a Lightning checkpoint."""

Maker = Callable[..., nn.Module]
"""Makes a network from ``num_joints``, ``num_classes``, ``coordinates``, ``num_frames`` and its own arguments."""

Networks = Maker | Mapping[str, Maker] | None
"""Makes networks other than ``MMN``: all of them, or each by the name that checkpoints give it."""


class UnnamedNetworkError(UserError):
    """A checkpoint of a custom network whose class was not named, and so is not imported."""


OURS: Mapping[str, type[nn.Module]] = {MMN_TARGET: MMN, ENSEMBLE_TARGET: MMNEnsemble}
"""The networks of this project, by the names that checkpoints give them."""

_NETWORK = "network."  # the network's prefix in the LightningModule's state dict


@dataclass(frozen=True)
class Checkpoint:
    """A network in evaluation mode and, in our own checkpoints, its stream (None in official ones).

    After training, ``chosen`` holds the ``epoch``, the metric it was ``selected_on``, and the ``temperature`` fitted on
    val; ``confidences`` holds percentiles, 0th to 100th, of the most likely class's probability on val;
    ``clip_length`` is the median number of frames of the training clips.
    """

    network: nn.Module
    stream: Stream | None
    chosen: dict[str, Any] = field(default_factory=dict)
    confidences: Sequence[float] | None = None
    clip_length: int | None = None

    @property
    def temperature(self) -> float | None:
        """The temperature that calibrates logits; None if none was fitted."""
        return self.chosen.get("temperature")

    def threshold(self, coverage: float) -> float | None:
        """The probability that this share of val clips reaches for its most likely class; None if not recorded."""
        if self.confidences is None:
            return None
        return float(np.interp(100 * (1 - coverage), np.arange(len(self.confidences)), self.confidences))

    @property
    def arguments(self) -> dict[str, Any]:
        """The network's constructor arguments."""
        return self.stream.arguments if self.stream else self.network.config  # type: ignore[return-value]


def load_checkpoint(path: str | Path, network: Networks = None, **overrides: Any) -> Checkpoint:
    """Read our ``.ckpt`` or an official ``.pt``, executing nothing in it.

    Args:
        path: the file, or a run folder for its best epoch.
        network: makes a network other than ``MMN``: a class, a factory, or a dict of these by the names that
            checkpoints give them. The class named in a checkpoint is never imported by that name alone.
        overrides: arguments of the network that do not change the weights' shapes.

    Raises:
        UserError: no such file, not a checkpoint, weights that do not fit the network, or an unnamed custom network.
    """
    path = checkpoint_file(str(path))
    content = read_checkpoint(Path(path))
    if KEY in content and "state_dict" in content:
        state = check_weights(content["state_dict"], str(path))
        state = {name.removeprefix(_NETWORK): value for name, value in state.items() if name.startswith(_NETWORK)}
        try:
            stream = _read_stream(content[KEY], str(path))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f"{path} is incomplete ({error} is missing); train it again.") from None
        stream = stream.with_arguments(overrides)
        make = _maker(stream.target, network, path)
        if make in OURS.values():
            with from_outside(Path(path), "checkpoint", "train it again"):
                check_state(stream.arguments, state, str(path))  # before a network of any size is built
                built: nn.Module = make(**stream.arguments)
        else:
            built = make(**stream.arguments)
        _load(built, state, path)
        with from_outside(Path(path), "checkpoint", "train it again"):
            return Checkpoint(with_stream(built.eval(), stream), stream, *_choices(content[KEY]))
    for part in (content, content.get("state_dict"), content.get("model")):
        if isinstance(part, dict) and is_official({str(k).removeprefix("module."): v for k, v in part.items()}):
            state = check_weights(part, str(path))
            try:
                return Checkpoint(with_stream(from_official(state, **overrides), None), None)
            except UserError as error:
                raise UserError(f"{path}: {error}") from None
    raise UserError(f"{path} is neither a checkpoint of this project nor official MMN weights; give one of these.")


def load_network(path: str | Path, network: Networks = None, **overrides: Any) -> nn.Module:
    """The network of a checkpoint, in evaluation mode, with its ``stream`` as an attribute; see ``load_checkpoint``."""
    return load_checkpoint(path, network, **overrides).network


def _choices(record: dict[str, Any]) -> tuple[dict[str, Any], list[float] | None, int | None]:
    """What a checkpoint records about its val split and training clips.

    Raises:
        ValueError: values that cannot be.
    """
    chosen, confidences, length = dict(record.get("chosen") or {}), record.get("confidences"), record.get("clip_length")
    temperature = chosen.get("temperature")
    if temperature is not None and not 0 < float(temperature) < np.inf:
        raise ValueError(f"its temperature is {temperature}")
    if confidences is not None:
        confidences = [float(value) for value in confidences]
        if not confidences or not all(0 <= value <= 1 for value in confidences):
            raise ValueError("its confidences are not probabilities")
    if length is not None and not int(length) >= 1:
        raise ValueError(f"its clips have {length} frames")
    return chosen, confidences, None if length is None else int(length)


def _maker(target: str, named: Networks, path: str | Path) -> Maker:
    """The class or factory for the network that a checkpoint calls ``target``."""
    if callable(named):
        return named
    if named is not None and target in named:
        return named[target]
    if target in OURS:
        return OURS[target]
    raise UnnamedNetworkError(
        f"{path} holds a network of {target}, which is imported only if you name it: add model._target_={target} to "
        f"train.py and eval.py, --network {target} to mmn, or in Python network=… with its class."
    )


def _read_stream(content: dict[str, Any], where: str) -> Stream:
    """The stream in a checkpoint of this or the first version."""
    if "stream" in content:
        return Stream.from_dict(content["stream"], where)
    first = dict(content["description"])
    modality = Modality(first.pop("modality"), first.pop("bone_rule"))
    first["preprocessing"] = Preprocessing(modality, content["network"]["num_frames"]).as_dict()
    first |= {"version": first["version"] + 1, "target": MMN_TARGET, "arguments": content["network"]}
    return Stream.from_dict(first, where)


def check_fit(path: str | Path, checkpoint: Checkpoint, data: SkeletonData, where: str | Path) -> None:
    """Check that data have the checkpoint's skeleton and classes.

    Args:
        path: the checkpoint's path, for error messages.
        checkpoint: the checkpoint to evaluate.
        data: the content of ``where``.
        where: the data file.

    Raises:
        UserError: naming what differs.
    """
    sizes, stream, channels = checkpoint.arguments, checkpoint.stream, data.coordinates
    if stream:
        channels = stream.modality.channels(data.coordinates, data.layout)
    have = {"joints": data.layout.num_joints, "channels per joint": channels, "classes": len(data.classes.names)}
    need = {"joints": sizes["num_joints"], "channels per joint": sizes["coordinates"], "classes": sizes["num_classes"]}
    for what, count in need.items():
        if have[what] != count:
            raise UserError(
                f"{path} is for {count} {what}, but {where} has {have[what]}; give the file it was trained for."
            )
    for part in ("joints", "order", "bones", "centre"):
        if stream and getattr(stream.layout, part) != getattr(data.layout, part):
            raise UserError(
                f"{path} was trained on a skeleton layout with different {part} from that of {where}; give the file it "
                "was trained for."
            )
    if stream and stream.classes.names != data.classes.names:
        raise UserError(f"{path} and {where} have different classes; compare their names.")


def _load(network: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path} does not fit the network it describes: {reason}") from None
