"""Convert pose files of any format to one HDF5 file."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmn.cli.output import add_output, check_output
from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("convert", help="pose files of any format → one HDF5 file", description=__doc__)
    parser.add_argument("source", type=Path, help="a file or folder; docs/data.md lists the formats")
    add_output(parser)
    parser.add_argument("--name", help="short name of the data set (default: the output's)")
    parser.add_argument("--list-people", action="store_true", help="print how many people were left out of each clip")
    layouts = "a built-in layout (listed by mmn layouts), a YAML file, or auto"
    parser.add_argument("--layout", required=True, help=layouts)
    add_label_options(parser)
    add_options(parser)
    parser.set_defaults(run=_run)


def add_label_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for labels and classes."""
    labels = parser.add_argument_group("labels")
    labels.add_argument(
        "--labels",
        "--segments",
        help="CSV of name,label,split[,group]; list files, such as train=a.txt,val=b.txt; or segments of recordings: "
        "CSV of name,start,end,label[,split,group] in frames, or seconds with --fps, or ELAN's .eaf",
        metavar="F",
    )
    labels.add_argument("--pad", type=float, help="seconds (frames without --fps) added to segments at either end")
    labels.add_argument("--rest", help="keep the intervals between segments as this class", metavar="NAME")
    labels.add_argument("--labels-from", type=int, help="index of the first class: 0 (default) or 1", metavar="N")
    labels.add_argument(
        "--classes",
        help="a text file with one class name per line, or a layout with classes (default: those of --layout)",
        metavar="F",
    )


def add_options(parser: argparse.ArgumentParser, missing_default: str = "refuse") -> None:
    """Add the options for reading a source; ``missing_default`` is shown as the default of ``--missing``."""
    parser.add_argument("--format", help="format of the source, or module.function (default: detected)")
    parser.add_argument("--splits", help="names of the splits in a pickle, such as train=xsub_train,val=xsub_val")
    parser.add_argument("--fps", type=float, help="frames per second (default: 30)")
    people = parser.add_argument_group("people and points")
    people.add_argument("--person", help="person to keep: best (default), largest, longest, N (the N-th best) or all")
    people.add_argument("--channels", help="values of a point: xy, xyz, xys or xyzs, s = score")
    people.add_argument("--picture", help="picture size for normalised coordinates, such as 1920x1080")
    missing = parser.add_argument_group("missing joints")
    missing.add_argument("--missing", help=f"refuse, or interpolate in time (default: {missing_default})")
    missing.add_argument(
        "--min-score", type=float, help="joints with a score of at most this count as missing (default: 0)", metavar="S"
    )
    missing.add_argument("--zeros", help="exact zeros without a score: missing, or keep as positions")
    missing.add_argument(
        "--max-gap", type=int, help="longest run of frames filled in (default: half a second)", metavar="N"
    )
    missing.add_argument(
        "--max-filled", type=float, help="largest share of a clip filled in (default: 0.5)", metavar="SHARE"
    )
    missing.add_argument("--skip-bad", action="store_true", help="leave out clips that cannot be used")


def read_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options given by the user as arguments of ``read_source``."""
    names = (
        *("format", "labels", "labels_from", "classes", "person", "channels", "missing", "min_score", "zeros"),
        *("max_gap", "max_filled", "fps", "skip_bad", "pad", "rest"),
    )
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    return {**given, "splits": _splits(options.splits), "picture": _picture(options.picture)}


def given_of(options: argparse.Namespace, *names: str) -> str | None:
    """The first of these options that was given, as on the command line."""
    return next((f"--{name.replace('_', '-')}" for name in names if getattr(options, name) is not None), None)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import write_data  # h5py and numpy are imported late so that `mmn --help` is instant
    from mmn.data.format.summary import in_a_line
    from mmn.data.sources.convert import read_source

    check_output(options)
    name = options.name or options.output.stem
    found = read_source(options.source, options.layout, name=name, watch=_counted, **read_options(options))
    write_data(options.output, found.data)
    if options.list_people:
        for clip, count in found.left_out.items():
            print(f"{clip}: {count} other people")
    print(f"{options.output}: {in_a_line(found.data)}")


def _counted(recordings: Iterable[Any]) -> Iterable[Any]:
    """Show on a terminal how many recordings have been read."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.completed:.0f} recordings read"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield from progress.track(recordings, total=None)


def _splits(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    pairs = [part.split("=") for part in text.split(",")]
    if not all(len(pair) == 2 and pair[0] in ("train", "val", "test") for pair in pairs):
        raise UserError(f"--splits is {text!r}; give pairs, as in train=xsub_train,val=xsub_val.")
    return dict(pairs)


def _picture(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UserError(f"--picture is {text!r}; give width and height, as in 1920x1080.")
    return int(width), int(height)
