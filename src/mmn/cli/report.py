"""``mmn report``: one self-contained HTML page about a run or an evaluation."""

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", help="a run or an evaluation → one HTML page", description=__doc__)
    parser.add_argument("folder", type=Path, help="of train.py or eval.py")
    parser.add_argument("--against", type=Path, help="another such folder to compare with, clip by clip")
    parser.add_argument("--split", help="val or test (default: test, if any)")
    parser.add_argument(
        "--output", type=Path, help="the HTML file (default: report.html in the folder, or report-against-OTHER.html)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.reporting.report import write_report

    other = "" if options.against is None else f"-against-{options.against.resolve().name}"
    output = options.output or options.folder / f"report{other}.html"
    write_report(options.folder, output, options.against, options.split)
    print(output)
