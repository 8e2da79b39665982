"""Write a self-contained HTML report of a run or an evaluation."""

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", help="a run or an evaluation → one HTML page", description=__doc__)
    folders = "output of train.py or eval.py; for several seeds or folds, all their folders"
    parser.add_argument("folders", nargs="+", type=Path, metavar="folder", help=folders)
    parser.add_argument("--against", nargs="+", type=Path, default=[], metavar="FOLDER", help="others to compare with")
    parser.add_argument("--split", help="val or test (default: test, if any)")
    parser.add_argument(
        "--output",
        type=Path,
        help="the HTML file (default: report.html in the first folder, or report-against-OTHER.html)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.reporting.report import write_report

    other = f"-against-{options.against[0].resolve().name}" if options.against else ""
    output = options.output or options.folders[0] / f"report{other}.html"
    write_report(options.folders, output, options.against, options.split)
    print(output)
