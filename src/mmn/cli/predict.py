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

    from mmn.engine.predict import Recordings
    from mmn.evaluation.segments import Segment
    from mmn.inference.predict import Predictor


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
    long = parser.add_argument_group("long recordings")
    add = long.add_argument
    add("--segments", type=Path, help="write who does what from when to when: .csv, .json, .jsonl, .vtt or .eaf")
    add("--window", type=int, default=64, help="frames per window, classified as one clip (default: 64)")
    add("--stride", type=int, default=8, help="frames from one window to the next (default: 8)")
    add("--threshold", type=float, default=0.3, help="least probability of an action (default: 0.3)")
    add("--smooth", type=float, help="frames over which probabilities are smoothed (default: the stride)", metavar="N")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.evaluation.row_file import check_form
    from mmn.evaluation.segment_files import FORMS, check_segment_form
    from mmn.inference.predict import Predictor

    if options.segments is not None and options.output is not None:
        raise UserError("--output is a table of clips and --segments one of long recordings; give one of them.")
    if options.top < 1:
        raise UserError(f"--top is {options.top}; it is the number of classes, 1 or more.")
    if options.output is not None:
        check_form(options.output)
    if options.segments is not None:
        check_form(options.segments, FORMS)
        check_segment_form(options.segments)
    checkpoints = options.checkpoint.split(",")
    if not all(checkpoints):
        raise UserError(f"{options.checkpoint!r} has a comma without a checkpoint beside it; name the checkpoints.")
    written = options.output or options.segments
    if written is not None and written.resolve() in [path.resolve() for path in options.sources]:
        raise UserError(f"{written} is one of the sources; write to another file.")
    predictor = Predictor(*checkpoints, device=chosen_device(options), precision=options.precision)
    with _progress() as progress:
        (_clips if options.segments is None else _segments)(options, predictor, progress)


def _clips(options: argparse.Namespace, predictor: "Predictor", progress: "Progress") -> None:
    from mmn.engine.predict import likeliest_of
    from mmn.evaluation.probabilities import COLUMNS
    from mmn.evaluation.row_file import growing

    count = 0
    with nullcontext(_print) if options.output is None else growing(options.output, COLUMNS) as add:
        for name, found in _read(options, predictor):
            task = progress.add_task(name, total=len(found.clips))
            for guesses in likeliest_of(predictor, found, options.top):
                add([guess.as_row() for guess in guesses])
                progress.advance(task, len({guess.name for guess in guesses}))
            count += len(found.clips)
    if options.output is not None:
        print(f"{options.output}: {count} clips")


def _segments(options: argparse.Namespace, predictor: "Predictor", progress: "Progress") -> None:
    from mmn.engine.predict import Sliding, segments_of
    from mmn.evaluation.segment_files import OF_ONE_RECORDING, write_segments

    sliding = Sliding(options.window, options.stride, options.threshold, options.smooth)
    found: list[Segment] = []
    count = 0
    for name, recordings in _read(options, predictor):
        count += len(recordings.clips)
        if options.segments.suffix.lower() in OF_ONE_RECORDING and count > 1:
            raise UserError(f"{options.segments} belongs to one recording and there are more; write .csv or .json.")
        task = progress.add_task(name, total=len(recordings.clips))
        for segments in segments_of(predictor, recordings, sliding, options.fps or 30.0):
            found += segments
            progress.advance(task)
    write_segments(options.segments, found)
    print(f"{options.segments}: {len(found)} segments of {count} recording{'s' * (count != 1)}")


def _read(options: argparse.Namespace, predictor: "Predictor") -> Iterator[tuple[str, "Recordings"]]:
    """Each source's name and recordings; says on stderr what was decided while it was read."""
    from mmn.engine.predict import read_recordings, with_unique_names

    seen: set[str] = set()
    for source in options.sources:
        found = read_recordings(source, predictor, options.layout, options.split, **read_options(options))
        if found.notes:
            print(f"{source}: {found.notes}", file=sys.stderr)
        yield source.name, with_unique_names(found, source, seen)


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
