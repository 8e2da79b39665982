"""``mmn animate``: clips as moving skeletons; joints that were filled in are hollow."""

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("animate", help="clips → moving skeletons", description=__doc__)
    parser.add_argument("file", type=Path, help="the HDF5 file")
    parser.add_argument("names", nargs="+", metavar="name", help="clips, side by side; split/name where ambiguous")
    parser.add_argument("output", type=Path, help="the .gif, .mp4 or .html file to write")
    parser.add_argument("--fps", type=int, default=15, help="frames a second (default: 15)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.hdf5 import read_data
    from mmn.reporting.animation import animate, find_clip

    data = read_data(options.file)
    animate([find_clip(data, name) for name in options.names], data.layout, options.output, options.fps)
    print(options.output)
