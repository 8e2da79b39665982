"""The ``--device`` and ``--precision`` options."""

import argparse

from mmn.errors import UserError


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
