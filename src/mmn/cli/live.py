"""Streams as sources of ``mmn predict``: one frame per line of stdin."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from mmn.cli.convert import given_of, read_options
from mmn.errors import UserError

if TYPE_CHECKING:
    from mmn.inference.predict import Predictor


SLIDING = ("stride", "threshold", "smooth", "background")
"""Options for the windows of long recordings only."""


def check_live(options: argparse.Namespace) -> None:
    """Refuse options that do not apply to a stream.

    Raises:
        UserError: naming the option.
    """
    if len(options.sources) > 1:
        raise UserError("the source - (stdin) cannot be combined with others; leave the other sources out.")
    if given := given_of(options, "output", "segments"):
        raise UserError(f"predictions for frames on stdin are written to stdout; leave {given} out.")
    reading = [name for name, value in read_options(options).items() if value]
    if given := given_of(options, "split", *SLIDING, *reading):
        raise UserError(f"{given} does not apply to frames on stdin; leave it out.")


def run_live(options: argparse.Namespace, predictor: "Predictor", threshold: float) -> None:
    """Print one line of JSON for each line of stdin, and at the end the latency on stderr."""
    import numpy as np

    from mmn.engine.live import answers

    taken: list[float] = []
    try:
        for answer in answers(predictor, sys.stdin.buffer, options.window, options.layout, options.top, threshold):
            taken.append(answer["ms"])
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    except BrokenPipeError:  # the reader of stdout has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:  # also when the user ends it
        if taken:
            middle, slow = np.percentile(taken, [50, 95])
            print(f"{len(taken)} frames: {middle:.1f} ms median, {slow:.1f} ms at 95 %", file=sys.stderr)
    if not taken:
        raise UserError("there are no frames on stdin; write one per line, as a JSON list of joints [x, y].")
