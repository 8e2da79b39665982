"""Suggest clips to label next, and labels that look wrong."""

import argparse
import sys
from os.path import realpath
from pathlib import Path
from typing import Any

from mmn.cli.network import add_device, add_network, chosen_predictor
from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("suggest", help="unlabelled clips → which to label next", description=__doc__)
    parser.add_argument("checkpoint", help="a checkpoint; several, separated by commas, form an ensemble")
    parser.add_argument("data", type=Path, help="an HDF5 file of mmn convert with unlabelled clips")
    parser.add_argument("--output", type=Path, required=True, help="the CSV file to fill in, for mmn convert --labels")
    parser.add_argument(
        "--page",
        type=Path,
        help="also write an HTML page of animated skeletons for labelling, which saves the same CSV file",
    )
    parser.add_argument("--count", type=int, default=20, help="number of clips to label (default: 20)")
    parser.add_argument("--checks", type=int, default=20, help="maximum number of labels to check (default: 20)")
    parser.add_argument("--layout", help="layout of official weights, such as ma52")
    parser.add_argument("--modality", help="modality of official weights, such as bone")
    parser.add_argument("--overwrite", action="store_true", help="replace a table with labels that the data file lacks")
    add_device(parser)
    add_network(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.engine.suggest import TO_CHECK, TO_LABEL, suggest, unconverted_label
    from mmn.evaluation.row_file import check_form, write_rows
    from mmn.reporting.labelling import write_labelling_page

    check_form(options.output, (".csv",))
    if options.count < 1 or options.checks < 0:
        raise UserError(f"--count is {options.count} and --checks {options.checks}; use 1 or more, and 0 or more.")
    if options.page is not None and realpath(options.page) == realpath(options.output):
        raise UserError(f"--output and --page are both {options.page}; give the page another name.")
    predictor = chosen_predictor(options)
    found = suggest(predictor, options.data, options.count, options.checks)
    if not options.overwrite and (name := unconverted_label(options.output, found)):
        raise UserError(
            f"{options.output} has a label for {name} that {options.data} lacks; run mmn convert with it first, or add "
            "--overwrite."
        )
    if predictor.untraceable:
        listed = ", ".join(predictor.untraceable)
        print(f"the training clips of {listed} are not recorded; their labels are checked as well", file=sys.stderr)
    write_rows(options.output, list(found.rows[0]), found.rows)
    written = [str(options.output)]
    if options.page is not None:
        looked_at = found.count(TO_LABEL) + found.count(TO_CHECK)
        clips = [found.clips.clip(i) for i in found.order[:looked_at]]
        known, given = predictor.classes.names, [row["label"] for row in found.rows if row["label"]]
        names = list(dict.fromkeys([*known, *given]))
        write_labelling_page(options.page, options.data.name, clips, found.layout, found.rows, found.guesses, names)
        written.append(str(options.page))
    print(
        f"{', '.join(written)}: {found.count(TO_LABEL)} to label and {found.count(TO_CHECK)} to check of "
        f"{len(found.rows)} clips"
    )
