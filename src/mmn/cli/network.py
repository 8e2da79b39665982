"""Options for loading and running a network."""

import argparse
from typing import TYPE_CHECKING

from mmn.errors import UserError

if TYPE_CHECKING:
    from mmn.inference.checkpoint import Maker
    from mmn.inference.predict import Predictor


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add ``--network``."""
    parser.add_argument("--network", help="the class of a network of your own, as module.Class", metavar="CLASS")


def chosen_network(options: argparse.Namespace) -> "dict[str, Maker] | None":
    """The network class that checkpoints may load, by its name; None for only MMN.

    Raises:
        UserError: there is no such class.
    """
    if options.network is None:
        return None
    from hydra.utils import get_object

    from mmn.engine.networks import named_networks

    try:
        get_object(options.network)
    except Exception as error:  # whatever importing it raises
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise UserError(
            f"--network {options.network} cannot be imported ({reason}); give module.Class, with its folder on "
            "PYTHONPATH."
        ) from None
    return named_networks({"_target_": options.network})


def chosen_predictor(options: argparse.Namespace) -> "Predictor":
    """The predictor of a command with ``checkpoint``, ``--layout``, ``--modality`` and the options above.

    Raises:
        UserError: a checkpoint cannot be used, or the list of checkpoints has an empty entry.
    """
    from mmn.inference.predict import Predictor

    checkpoints = options.checkpoint.split(",")
    if not all(checkpoints):
        raise UserError(f"{options.checkpoint!r} has an empty entry; separate checkpoints by single commas.")
    return Predictor(
        *checkpoints,
        device=chosen_device(options),
        precision=options.precision,
        layout=options.layout,
        modality=options.modality,
        network=chosen_network(options),
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--precision``."""
    parser.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda"),
        help="device of the network (default: a GPU if available)",
    )
    parser.add_argument(
        "--precision", default="32", choices=("32", "bf16"), help="floating-point precision (default: 32)"
    )


def chosen_device(options: argparse.Namespace) -> str:
    """``cpu`` or ``cuda``.

    Raises:
        UserError: ``cuda`` is requested but not available.
    """
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda needs a GPU, and torch finds none; use --device cpu.")
    if options.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return str(options.device)
