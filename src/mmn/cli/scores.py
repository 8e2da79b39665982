"""Export the scores of a run or an evaluation for other projects."""

import argparse
from pathlib import Path
from typing import Any

from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("scores", help="scores → a file for other projects", description=__doc__)
    parser.add_argument("source", type=Path, help="an output folder of train.py or eval.py, or a scores file (.h5)")
    parser.add_argument(
        "--to",
        required=True,
        choices=("json", "pkl", "csv", "npz"),
        help="json: rows in the order of the clips; pkl: name → row; csv: a row per clip; npz: names, scores, labels",
    )
    parser.add_argument("--split", help="val or test (default: test, if any)")
    parser.add_argument("--output", type=Path, help="the file to write (default: beside the scores, named after them)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.evaluation.scores import read_scores
    from mmn.evaluation.write_scores_as import write_scores_as

    path = options.source
    if path.is_dir():
        names = [f"scores_{options.split}.h5"] if options.split else ["scores_test.h5", "scores_val.h5"]
        path = next((path / name for name in ("scores.h5", *names) if (path / name).exists()), None)
        if path is None:
            of = f" of {options.split}" if options.split else ""
            raise UserError(f"{options.source} holds no scores{of}; give an output folder of train.py or eval.py.")
    scores = read_scores(path, options.split)
    output = options.output or path.with_suffix(f".{options.to}")
    write_scores_as(output, scores, options.to)
    print(f"{output}: {len(scores.names)} clips, {len(scores.classes.names)} classes")
