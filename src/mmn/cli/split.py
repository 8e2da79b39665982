"""Divide all clips into new, stratified train, val and test splits."""

import argparse
from pathlib import Path
from typing import Any

from mmn.cli.output import add_output, check_output
from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("split", help="one HDF5 file → the same with new splits", description=__doc__)
    parser.add_argument("file", type=Path, help="the HDF5 file; its splits are pooled")
    add_output(parser)
    parser.add_argument("--by", default="group", help="group: no subject or recording in two splits (default); or clip")
    parser.add_argument("--test", type=float, default=0.2, help="share of the test split (default: 0.2)")
    parser.add_argument("--val", type=float, default=0.1, help="share of the val split (default: 0.1)")
    parser.add_argument("--seed", type=int, default=1, help="equal seeds give equal splits")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import read_data, write_data
    from mmn.data.format.summary import in_a_line
    from mmn.data.view.split import split_clips

    if options.output.resolve() == options.file.resolve():
        raise UserError(f"{options.output} is the file to split; write to another file.")
    check_output(options)
    data = split_clips(read_data(options.file), options.by, options.test, options.val, options.seed)
    write_data(options.output, data)
    print(f"{options.output}: {in_a_line(data)}")
