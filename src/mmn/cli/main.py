"""The ``mmn`` command."""

import argparse
from collections.abc import Sequence

from mmn.cli import (
    animate,
    bench,
    check_submission,
    compare,
    convert,
    download,
    inspect,
    layouts,
    merge,
    predict,
    report,
    score_segments,
    scores,
    split,
    suggest,
    synthesize,
)
from mmn.engine.entry import run

_COMMANDS = (
    download, convert, layouts, synthesize, merge, split, inspect, animate, compare, report, scores, bench,
    predict, score_segments, suggest, check_submission,
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="mmn", description="Skeleton data for the Motion-guided Modulation Network.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run one command."""
    options = build_parser().parse_args(arguments)
    run(lambda: options.run(options))


if __name__ == "__main__":
    main()
