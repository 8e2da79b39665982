"""Evaluate predicted segments of long recordings."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mmn.data.sources.words import some
from mmn.errors import UserError
from mmn.text import counted


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("score-segments", help="predicted and true segments → mAP", description=__doc__)
    parser.add_argument("predicted", type=Path, help="CSV of name,start,end,class,probability, in seconds")
    parser.add_argument("true", type=Path, help="CSV of name,start,end,class (or label), in seconds")
    parser.add_argument("--output", type=Path, help="the JSON file (default: print)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.evaluation.segment_scores import score_segments
    from mmn.evaluation.segments import read_segments
    from mmn.files import write_json

    predicted, true = read_segments(options.predicted, True), read_segments(options.true, False)
    if predicted and true and {one.name for one in predicted}.isdisjoint(one.name for one in true):
        raise UserError(
            f"{options.predicted} and {options.true} have no recording in common: {predicted[0].name} and "
            f"{true[0].name}, for instance; give both the same names."
        )
    metrics = score_segments(predicted, true)
    for kind, name_of in (("recording", lambda one: one.name), ("class", lambda one: one.class_name)):
        if missing := sorted({*map(name_of, true)} - {*map(name_of, predicted)}):
            print(f"no segment is predicted for {counted(len(missing), kind)}: {some(missing)}", file=sys.stderr)
    if extra := sorted({one.name for one in predicted} - {one.name for one in true}):
        print(f"no true segment in {counted(len(extra), 'predicted recording')}: {some(extra)}", file=sys.stderr)
    if options.output is None:
        print(json.dumps(metrics, indent=2))
    else:
        write_json(options.output, metrics)
        print(f"{options.output}: mAP {metrics['map']:.3f}, at tIoU 0.5 {metrics['map@0.5']:.3f}")
