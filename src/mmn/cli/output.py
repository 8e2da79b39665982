"""The output file of commands that write a data set: an existing one is replaced only with ``--overwrite``."""

import argparse
from pathlib import Path

from mmn.errors import UserError


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to a parser."""
    parser.add_argument("output", type=Path, help="the HDF5 file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")


def check_output(options: argparse.Namespace) -> None:
    """Check the output before the work that it is for.

    Raises:
        UserError: it is a folder, or a file that is not to be replaced.
    """
    if options.output.is_dir():
        raise UserError(f"{options.output} is a folder; give the path of a file.")
    if options.output.exists() and not options.overwrite:
        raise UserError(f"{options.output} exists already; give another name, or --overwrite to replace it.")
