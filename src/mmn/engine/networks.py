"""Networks named by a config."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.errors import UserError
from mmn.inference.checkpoint import Maker
from mmn.inference.stream import Stream


def stream_to_train(model: DictConfig, datamodule: SkeletonDataModule) -> Stream:
    """The stream of the network to train; joint and class counts come from the data file."""
    data = datamodule.data
    options: Any = OmegaConf.to_container(model, resolve=True)
    arguments = {
        **{str(key): value for key, value in options.items() if not str(key).startswith("_")},
        "num_joints": data.layout.num_joints,
        "num_classes": len(data.classes.names),
        "coordinates": datamodule.channels,
        "num_frames": datamodule.num_frames,
    }
    return Stream(
        preprocessing=datamodule.preprocessing,
        layout=data.layout,
        classes=data.classes,
        target=model._target_,
        arguments=arguments,
        data=datamodule.name or data.name,
        data_path=str(datamodule.path),
        view=datamodule.view.settled(data),
        trained_on=data.splits["train"].hashes()[datamodule.training_clips.numpy()].tolist(),
    )


def build_network(target: str, **arguments: Any) -> nn.Module:
    """Build the network of a class or factory ``target``; nested arguments stay plain values.

    Raises:
        UserError: ``target`` does not return a ``torch.nn.Module``.
    """
    network = instantiate({"_target_": target, "_convert_": "all", "_recursive_": False}, **arguments)
    if not isinstance(network, nn.Module):
        raise UserError(f"model._target_={target} returns a {type(network).__name__}, not a torch.nn.Module.")
    return network


def named_networks(model: DictConfig | Mapping[str, Any] | None) -> dict[str, Maker]:
    """The network class that the config allows checkpoints to load, by the name checkpoints record."""
    target = None if model is None else model.get("_target_")
    return {target: partial(build_network, target)} if target else {}


def apply_training_options(network: nn.Module, compiled: bool, recompute: bool) -> None:
    """Apply ``compile=`` and ``recompute=``.

    Raises:
        UserError: the network does not support it.
    """
    if recompute:
        if not hasattr(network, "recompute"):
            raise UserError(f"recompute=true is not supported by {type(network).__name__}; leave it out.")
        network.recompute = True  # type: ignore[assignment]
    if compiled:
        torch.compiler.reset()  # the graphs of an earlier job in this process count against the compiler's limit
        getattr(network, "compile_parts", network.compile)()
