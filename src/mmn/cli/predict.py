"""``mmn predict``: what networks recognise in new recordings."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmn.cli.convert import add_options, read_options
from mmn.cli.device import add_device, chosen_device
from mmn.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("predict", help="new recordings → who does what", description=__doc__)
    parser.add_argument("checkpoint", help="a .ckpt of train.py; several, joined by commas, are an ensemble")
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="source", help="what mmn convert reads, a file of it, or an .h5 file"
    )
    parser.add_argument("--output", type=Path, help="a .csv, .jsonl or .json file (default: print)")
    parser.add_argument("--top", type=int, default=5, help="how many classes of each clip (default: 5)")
    parser.add_argument("--layout", help="the skeleton the sources are in (default: the one of the first checkpoint)")
    parser.add_argument("--split", choices=("train", "val", "test"), help="of the sources (default: all)")
    add_device(parser)
    add_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.engine.predict import likeliest_of, read_recordings, told_apart
    from mmn.evaluation.probabilities import COLUMNS
    from mmn.evaluation.row_file import check_form, growing
    from mmn.inference.predict import Predictor

    if options.top < 1:
        raise UserError(f"--top is {options.top}; it is the number of classes, 1 or more.")
    if options.output is not None:
        check_form(options.output)
    predictor = Predictor(*options.checkpoint.split(","), device=chosen_device(options), precision=options.precision)
    seen: set[str] = set()
    table = nullcontext(_print) if options.output is None else growing(options.output, COLUMNS)
    with table as add, _progress() as progress:
        for source in options.sources:
            found = read_recordings(source, predictor, options.layout, options.split, **read_options(options))
            if found.notes:
                print(f"{source}: {found.notes}", file=sys.stderr)
            found = told_apart(found, source, seen)
            task = progress.add_task(source.name, total=len(found.clips))
            for guesses in likeliest_of(predictor, found, options.top):
                add([guess.as_row() for guess in guesses])
                progress.advance(task, len({guess.name for guess in guesses}))
    if options.output is not None:
        print(f"{options.output}: {len(seen)} clips")


def _print(rows: list[dict[str, Any]]) -> None:
    from mmn.text import plain

    for row in rows:
        start = f"{row['name']}: " if row["place"] == 1 else "    "
        print(plain(f"{start}{row['class']} {100 * row['probability']:.1f} %"))


@contextmanager
def _progress() -> Iterator["Progress"]:
    """On a terminal: clips done, and the time left."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress
