"""The adapter between the official code's state dicts and ours; no other file knows the official names."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmn.errors import UserError
from mmn.model.mmn import MMN

# (official, ours); {i} a scale, {j} a block. A name includes everything below it.
_NAMES = [
    ("STPE", "embedding.position"),
    ("projection.0", "embedding.lift.0"),
    ("projection.2", "embedding.lift.1"),
    ("projection.4", "embedding.lift.2"),
    ("DSs.{i}.reduction", "pyramid.steps.{i}.conv"),
    ("DSs.{i}.bn", "pyramid.steps.{i}.norm"),
    ("MFM.{i}.blocks.{j}.norm_1", "scales.{i}.{j}.branch_norm"),
    ("MFM.{i}.blocks.{j}.mapping", "scales.{i}.{j}.split"),
    ("MFM.{i}.blocks.{j}.gconv", "scales.{i}.{j}.spatial.matrices"),
    ("MFM.{i}.blocks.{j}.tconv", "scales.{i}.{j}.temporal"),
    ("MFM.{i}.blocks.{j}.Motion.0", "scales.{i}.{j}.motion.conv"),
    ("MFM.{i}.blocks.{j}.Motion.1", "scales.{i}.{j}.motion.norm"),
    ("MFM.{i}.blocks.{j}.MSM.adj", "scales.{i}.{j}.msm.graph"),
    ("MFM.{i}.blocks.{j}.MSM.fc", "scales.{i}.{j}.msm.linear"),
    ("MFM.{i}.blocks.{j}.MSM.bn", "scales.{i}.{j}.msm.norm"),
    ("MFM.{i}.blocks.{j}.MTM.0", "scales.{i}.{j}.mtm.conv"),
    ("MFM.{i}.blocks.{j}.MTM.2", "scales.{i}.{j}.mtm.norm"),
    ("MFM.{i}.blocks.{j}.aggregation_gate.0", "scales.{i}.{j}.gate.reduce"),
    ("MFM.{i}.blocks.{j}.aggregation_gate.1", "scales.{i}.{j}.gate.norm"),
    ("MFM.{i}.blocks.{j}.aggregation_gate.3", "scales.{i}.{j}.gate.expand"),
    ("MFM.{i}.blocks.{j}.aggregation.0", "scales.{i}.{j}.merge"),
    ("MFM.{i}.blocks.{j}.aggregation.1", "scales.{i}.{j}.merge_norm"),
    ("MFM.{i}.blocks.{j}.proj", "scales.{i}.{j}.project"),
    ("MFM.{i}.blocks.{j}.norm_2", "scales.{i}.{j}.mlp_norm"),
    ("MFM.{i}.blocks.{j}.mlp.fc1", "scales.{i}.{j}.mlp.expand"),
    ("MFM.{i}.blocks.{j}.mlp.fc2", "scales.{i}.{j}.mlp.shrink"),
    ("fusion.down1.0", "fusion.align.0.conv"),
    ("fusion.down1.1", "fusion.align.0.norm"),
    ("fusion.down2.0", "fusion.align.1.conv"),
    ("fusion.down2.1", "fusion.align.1.norm"),
    ("fusion.down3.0", "fusion.align.2.conv"),
    ("fusion.down3.1", "fusion.align.2.norm"),
    ("fusion.f4_proc.0", "fusion.align.3.norm"),
    ("fusion.gate_conv.0", "fusion.gate.reduce"),
    ("fusion.gate_conv.1", "fusion.gate.norm"),
    ("fusion.gate_conv.3", "fusion.gate.expand"),
    ("fusion.res_conv", "fusion.residual"),
    ("head", "classifier"),
]
# 1×1 convolutions there, linear maps here: the same weights with two extra axes of length one.
_LINEAR_HERE = re.compile(
    r"(projection\.\d|fusion\.gate_conv\.[03]|fusion\.res_conv|.*\.aggregation_gate\.[03]|.*\.aggregation\.0)\.weight"
)


def official_name(name: str) -> str:
    """Our state-dict name → the official one.

    Raises:
        KeyError: a name without an official counterpart.
    """
    for official, ours in _NAMES:
        pattern = re.escape(ours).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{j\}", r"(?P<j>\d+)")
        if match := re.fullmatch(f"{pattern}(?P<rest>(\\..+)?)", name):
            return official.format(**match.groupdict()) + match["rest"]
    raise KeyError(name)


def _to_ours(name: str, tensor: Tensor) -> Tensor:
    if name == "STPE":
        return tensor.t()  # (C, V) there
    return tensor[:, :, 0, 0] if _LINEAR_HERE.fullmatch(name) and tensor.ndim == 4 else tensor


def _to_theirs(name: str, tensor: Tensor) -> Tensor:
    if name == "STPE":
        return tensor.t()
    return tensor[:, :, None, None] if _LINEAR_HERE.fullmatch(name) else tensor


def is_official(state: Mapping[str, Any]) -> bool:
    """Whether ``state`` looks like a state dict of the official network."""
    return {"STPE", "projection.0.weight", "head.weight"} <= set(state)


def infer_sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Constructor arguments inferred from an official state dict; the others keep their defaults."""
    width, num_joints = state["STPE"].shape
    first = "MFM.0.blocks.0"
    return {
        "num_joints": num_joints,
        "num_classes": state["head.weight"].shape[0],
        "coordinates": state["projection.0.weight"].shape[1],
        "width": width,
        "depth": len({name.split(".")[3] for name in state if name.startswith("MFM.0.blocks.")}),
        "scales": len({name.split(".")[1] for name in state if name.startswith("MFM.")}),
        "heads": state[f"{first}.gconv"].shape[0],
        "mlp_ratio": state[f"{first}.mlp.fc1.weight"].shape[0] / width,
    }


def from_official(state_dict: Mapping[str, Tensor], **overrides: Any) -> MMN:
    """Build our network in evaluation mode from an official state dict, inferring its sizes.

    Args:
        state_dict: what the official code saved; a ``module.`` prefix (data parallel) is accepted.
        overrides: constructor arguments that cannot be inferred from weights, such as ``num_frames`` or ``dropout``.

    Raises:
        UserError: missing or unexpected entries, or sizes that fit no network.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    if not is_official(state):
        raise UserError(
            "these weights are not those of the official MMN: STPE, projection.0.weight or head.weight is missing; "
            "pass the state dict that the official code saved."
        )
    try:
        sizes = infer_sizes(state)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UserError(f"these official weights are incomplete: {error} cannot be read; get the file again.") from None
    network = MMN(**{**sizes, **overrides})
    ours = network.state_dict()
    names = {name: official_name(name) for name in ours}
    missing, unexpected = set(names.values()) - set(state), set(state) - set(names.values())
    if missing or unexpected:
        raise UserError(
            f"these official weights do not fit a network of their sizes: {len(missing)} entries missing"
            f"{_examples(missing)}, {len(unexpected)} unexpected{_examples(unexpected)}."
        )
    converted = {}
    for name, official in names.items():
        tensor = _to_ours(official, state[official])
        if tensor.shape != ours[name].shape:
            raise UserError(
                f"the official weight {official} has shape {tuple(state[official].shape)}, "
                f"but this network needs {tuple(_to_theirs(official, ours[name]).shape)}."
            )
        converted[name] = tensor.to(ours[name].dtype)
    network.load_state_dict(converted, strict=True)
    return network.eval()


def to_official(network: MMN) -> dict[str, Tensor]:
    """The network's weights as a state dict that the official code loads.

    Raises:
        UserError: a network without the official four scales, or another network than ``MMN``.
    """
    if not isinstance(network, MMN):
        raise UserError(
            f"the official code has no {type(network).__name__}; give an MMN, such as one of an ensemble's members."
        )
    if network.config["scales"] != 4:
        raise UserError(
            f"the official code needs 4 scales, but this network has {network.config['scales']}; use one with scales=4."
        )
    with torch.no_grad():
        return {
            official: _to_theirs(official, tensor).detach().clone().contiguous()
            for official, tensor in ((official_name(name), tensor) for name, tensor in network.state_dict().items())
        }


def _examples(names: set[str]) -> str:
    return f" (such as {min(names)})" if names else ""
