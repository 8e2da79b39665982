"""``mmn convert``: pose files to one HDF5 file."""

import argparse
from pathlib import Path
from typing import Any

from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("convert", help="pose files of any kind → one HDF5 file", description=__doc__)
    parser.add_argument(
        "source",
        type=Path,
        help="folder of official pickles, of JSON files (or one folder a clip), or of .npy; a PYSKL .pkl; an .npz",
    )
    parser.add_argument("output", type=Path, help="the HDF5 file to write")
    parser.add_argument("--layout", required=True, help="ma52, imigue, jhmdb, or a layout's YAML file")
    parser.add_argument("--format", help="mmn, pyskl, alphapose, openpose, wholebody or arrays (default: recognised)")
    parser.add_argument("--labels", type=Path, help="CSV of name,label,split, for pose estimators' files and arrays")
    parser.add_argument("--classes", type=Path, help="a text file, one class name a line, in place of the layout's")
    parser.add_argument("--missing", default="refuse", help="missing joints: refuse (default) or interpolate in time")
    parser.add_argument(
        "--min-score", type=float, default=0.0, help="joints scored up to this are missing (default: 0)"
    )
    parser.add_argument("--splits", help="PYSKL: which split is which, as train=xsub_train,val=xsub_val")
    parser.add_argument("--name", help="short name of the data set (default: the output's)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.summary import in_a_line
    from mmn.data.sources.convert import convert  # h5py and numpy only where they are needed: `mmn --help` is instant

    data = convert(
        options.source,
        options.output,
        options.layout,
        format=options.format,
        labels=options.labels,
        classes=options.classes,
        missing=options.missing,
        min_score=options.min_score,
        splits=_splits(options.splits),
        name=options.name,
    )
    print(f"{options.output}: {in_a_line(data)}")


def _splits(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    pairs = [part.split("=") for part in text.split(",")]
    if not all(len(pair) == 2 and pair[0] in ("train", "val", "test") for pair in pairs):
        raise UserError(f"--splits is {text!r}; it has to look like train=xsub_train,val=xsub_val.")
    return dict(pairs)
