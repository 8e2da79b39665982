"""``mmn convert``: pose files to one HDF5 file."""

import argparse
from pathlib import Path
from typing import Any

from mmn.data.convert import convert


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("convert", help="official pickles → one HDF5 file", description=__doc__)
    parser.add_argument("source", type=Path, help="folder with {train,val,test}_data.pkl and _label.pkl")
    parser.add_argument("output", type=Path, help="the HDF5 file to write")
    parser.add_argument("--layout", required=True, help="ma52, imigue, jhmdb, or a layout's YAML file")
    parser.add_argument("--classes", type=Path, help="a text file, one class name a line, in place of the layout's")
    parser.add_argument("--name", help="short name of the data set (default: the output's)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    data = convert(options.source, options.output, options.layout, options.classes, options.name)
    counts = ", ".join(f"{split} {len(clips)}" for split, clips in data.splits.items())
    print(f"{options.output}: {data.layout.num_joints} joints, {len(data.classes.names)} classes; clips: {counts}")
