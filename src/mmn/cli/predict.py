"""Classify new recordings, or find actions in long ones."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from os.path import realpath  # Path.resolve() fails at a link to itself
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmn.cli.convert import add_options, given_of
from mmn.cli.live import SLIDING, check_live, run_live
from mmn.cli.network import add_device, add_network, chosen_predictor
from mmn.cli.predict_table import divided, write_table
from mmn.cli.video import add_video_options, check_overlay, pose_source, write_video
from mmn.errors import UserError
from mmn.text import counted

if TYPE_CHECKING:
    from rich.progress import Progress

    from mmn.cli.predict_table import Finished
    from mmn.engine.predict import Recordings, Sliding
    from mmn.evaluation.row_file import Row
    from mmn.inference.predict import Predictor


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("predict", help="new recordings → predicted classes or segments", description=__doc__)
    parser.add_argument(
        "checkpoint", help="a checkpoint or official weights; several, separated by commas, form an ensemble"
    )
    parser.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="source",
        help="anything mmn convert reads, a single file of it, an .h5 file, a video, or - for JSON lines on stdin",
    )
    parser.add_argument("--output", type=Path, help="a .csv, .jsonl or .json file (default: print)")
    parser.add_argument("--top", type=int, default=5, help="number of classes per clip (default: 5)")
    parser.add_argument(
        "--coverage",
        type=float,
        metavar="SHARE",
        help='predict "none of these" below the probability that this share of val clips reach, such as 0.9',
    )
    parser.add_argument("--layout", help="layout of the sources (default: that of the first checkpoint)")
    parser.add_argument("--modality", help="modality of official weights, such as bone; their layout is --layout")
    parser.add_argument("--split", choices=("train", "val", "test"), help="split of the sources (default: all)")
    add_device(parser)
    add_network(parser)
    add_options(parser, missing_default="interpolate")
    long = parser.add_argument_group("long recordings and frames on stdin")
    add = long.add_argument
    add(
        "--segments",
        type=Path,
        help="write the actions found, with start and end, to this .csv, .json, .jsonl, .vtt or .eaf file",
    )
    add("--window", type=int, help="frames classified as one clip (default: as in the median training clip, or 64)")
    add("--stride", type=int, help="frames from one window to the next (default: 8)")
    add("--threshold", type=float, help="minimum probability of an action (default: that of --coverage, or 0.3)")
    add("--background", help="class that means no action (default: that of data.rest)", metavar="CLASS")
    add("--smooth", type=float, help="frames over which probabilities are smoothed (default: the stride)", metavar="N")
    add_video_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.sources.options import check_fps
    from mmn.evaluation.row_file import check_form
    from mmn.evaluation.segment_files import FORMS, check_segment_form

    if options.segments is not None and options.output is not None:
        raise UserError("--output is for clips and --segments for long recordings; give only one.")
    if options.segments is not None and options.threshold is not None and options.coverage is not None:
        raise UserError("--threshold and --coverage both set the minimum probability of an action; give only one.")
    check_fps(options.fps)
    if options.top < 1:
        raise UserError(f"--top is {options.top}; use 1 or more.")
    if options.output is not None:
        check_form(options.output)
    if options.segments is not None:
        check_form(options.segments, FORMS)
        check_segment_form(options.segments)
    check_overlay(options)
    if live := Path("-") in options.sources:
        check_live(options)
    elif options.segments is None and options.overlay is None and (given := given_of(options, *SLIDING, "window")):
        raise UserError(f"{given} is for long recordings; add --segments FILE, or leave it out.")
    written, paths = options.output or options.segments, [realpath(source) for source in options.sources]
    if twice := next((source for source in options.sources if paths.count(realpath(source)) > 1), None):
        raise UserError(f"{twice} is given more than once; give each source once.")
    if written is not None and realpath(written) in paths:
        raise UserError(f"{written} is one of the sources; write to another file.")
    predictor = chosen_predictor(options)
    if live:
        run_live(options, predictor, _least(options, predictor))
        return
    with _progress() as progress:
        (_clips if options.segments is None else _segments)(options, predictor, progress)
        if options.overlay is not None:
            write_video(options, predictor, _sliding(options, predictor), progress)


def _clips(options: argparse.Namespace, predictor: "Predictor", progress: "Progress") -> None:
    from mmn.evaluation.probabilities import COLUMNS

    find = partial(_likeliest, options, predictor, progress, _least(options, predictor))
    if options.output is None:
        for found in find({}):
            _print(row for rows in found.values() for row in rows)
        return
    table = write_table(options.output, COLUMNS, options, find)
    print(f"{options.output}: {counted(table.clips, 'clip')}")


def _least(options: argparse.Namespace, predictor: "Predictor") -> float:
    """The probability below which a clip is of none of the classes."""
    return 0.0 if options.coverage is None else predictor.threshold(options.coverage)


def _likeliest(
    options: argparse.Namespace, predictor: "Predictor", progress: "Progress", threshold: float, recorded: "Finished"
) -> "Iterator[Finished]":
    """The rows of each clip, a batch at a time."""
    from mmn.engine.predict import likeliest_of

    for name, recordings in _read(options, predictor, progress):
        finished, left, identity = divided(recordings, recorded)
        yield finished
        task = progress.add_task(name, total=len(left.clips))
        for guesses in likeliest_of(predictor, left, options.top, threshold):
            found: dict[str, list[Row]] = {}
            for guess in guesses:
                found.setdefault(identity[guess.name], []).append(guess.as_row())
            yield found
            progress.advance(task, len(found))


def _segments(options: argparse.Namespace, predictor: "Predictor", progress: "Progress") -> None:
    from mmn.evaluation.segment_files import OF_ONE_RECORDING, write_segments
    from mmn.evaluation.segments import COLUMNS, Segment

    sliding, paces = _sliding(options, predictor), set[float]()
    find = partial(_actions, options, predictor, progress, sliding, paces)
    if options.segments.suffix.lower() in OF_ONE_RECORDING:
        rows, count = [row for found in find({}) for rows in found.values() for row in rows], 1
        write_segments(options.segments, [Segment(*row.values()) for row in rows])
    else:
        table = write_table(options.segments, COLUMNS, options, find)
        rows, count = table.rows, table.clips
    durations = ", ".join(f"{sliding.window / pace:.1f} s at {pace:g} frames per second" for pace in sorted(paces))
    found = f"{counted(len(rows), 'segment')} of {counted(count, 'recording')}"
    print(f"{options.segments}: {found}, in windows of {sliding.window} frames ({durations})")


def _sliding(options: argparse.Namespace, predictor: "Predictor") -> "Sliding":
    from mmn.engine.predict import Sliding

    threshold = options.threshold
    if threshold is None:
        threshold = _least(options, predictor) or 0.3
    window = predictor.window if options.window is None else options.window
    if options.background not in (None, *predictor.classes.names):
        raise UserError(
            f"--background is {options.background}, which is not a class of the network; choose one of "
            f"{', '.join(predictor.classes.names)}."
        )
    stride = {} if options.stride is None else {"stride": options.stride}
    return Sliding(window, threshold=threshold, smooth=options.smooth, background=options.background, **stride)


def _actions(
    options: argparse.Namespace,
    predictor: "Predictor",
    progress: "Progress",
    sliding: "Sliding",
    paces: set[float],
    recorded: "Finished",
) -> "Iterator[Finished]":
    """The rows of the segments of each recording; adds its frames per second to ``paces``."""
    from mmn.engine.predict import ASSUMED_FPS, segments_of
    from mmn.evaluation.segment_files import OF_ONE_RECORDING

    count = 0
    for name, recordings in _read(options, predictor, progress):
        count += len(recordings.clips)
        if options.segments.suffix.lower() in OF_ONE_RECORDING and count > 1:
            raise UserError(
                f"{options.segments} can hold only one recording, but there are several; use .csv or .json."
            )
        if None in recordings.fps:
            print(
                f"{name}: {ASSUMED_FPS:g} frames per second are assumed; give --fps if it has others", file=sys.stderr
            )
        paces.update(map(recordings.pace, range(len(recordings.clips))))
        finished, left, identity = divided(recordings, recorded)
        yield finished
        advance = partial(progress.advance, progress.add_task(name, total=int(left.clips.lengths.sum())))
        for recording, segments in segments_of(predictor, left, sliding, advance):
            yield {identity[recording]: [segment.as_row() for segment in segments]}


def _read(
    options: argparse.Namespace, predictor: "Predictor", progress: "Progress"
) -> Iterator[tuple[str, "Recordings"]]:
    """Each source's name and recordings; prints notes on them to stderr."""
    from mmn.engine.predict import read_recordings, with_unique_names

    seen: set[str] = set()
    for source in options.sources:
        poses, how = pose_source(options, source, progress)
        is_long = options.segments is not None or options.overlay is not None
        found = read_recordings(poses, predictor, options.layout, options.split, is_long, **how)
        if found.notes:
            print(f"{source}: {found.notes}", file=sys.stderr)
        yield source.name, with_unique_names(found, source, seen)


def _print(rows: "Iterable[Row]") -> None:
    from mmn.text import plain

    for row in rows:
        start = f"{row['name']}: " if row["place"] == 1 else "    "
        chance = "" if row["probability"] is None else f" {100 * row['probability']:.1f} %"
        print(plain(f"{start}{row['class']}{chance}"))


@contextmanager
def _progress() -> Iterator["Progress"]:
    """Show finished clips and the remaining time on a terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress
