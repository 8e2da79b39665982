"""Download an official data set from the Hugging Face Hub to one HDF5 file."""

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("download", help="official data set from the Hub → one HDF5 file", description=__doc__)
    parser.add_argument("name", help="ma52 or imigue")
    parser.add_argument("output", type=Path, nargs="?", help="the HDF5 file to write (default: data/NAME.h5)")
    parser.add_argument("--revision", default="main", help="commit, tag or branch of the repository (default: main)")
    parser.add_argument("--repo", help="another repository with the same files")
    parser.add_argument("--cache-dir", type=Path, help="where downloads are kept (default: the Hub's cache)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.summary import in_a_line
    from mmn.data.sources.hub import REPO, download

    output = options.output or Path("data", f"{options.name}.h5")
    data = download(
        options.name, output, repo=options.repo or REPO, revision=options.revision, cache_dir=options.cache_dir
    )
    print(f"{output}: {in_a_line(data)}")
