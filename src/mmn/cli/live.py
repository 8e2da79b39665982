"""``mmn predict CKPT -``: a recording that comes a frame a line on standard input."""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from mmn.errors import UserError

if TYPE_CHECKING:
    from mmn.inference.predict import Predictor


def check_live(options: argparse.Namespace) -> None:
    """Refuse what a stream has not.

    Raises:
        UserError: naming it.
    """
    if len(options.sources) > 1:
        raise UserError("the source - is standard input and comes alone; leave the other sources out.")
    for name in ("output", "segments", "split"):
        if getattr(options, name) is not None:
            raise UserError(f"answers to frames on standard input go to standard output; leave --{name} out.")


def run_live(options: argparse.Namespace, predictor: "Predictor", threshold: float) -> None:
    """Answer each line of standard input by a line of JSON; at the end, the latency on stderr."""
    import numpy as np

    from mmn.engine.live import answers

    taken = []
    try:
        for answer in answers(predictor, sys.stdin.buffer, options.window, options.layout, options.top, threshold):
            taken.append(answer["ms"])
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    except BrokenPipeError:  # whoever read the answers has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not taken:
        raise UserError("there is no frame on standard input; write one a line, as a JSON list of joints [x, y].")
    middle, slow = np.percentile(taken, [50, 95])
    print(f"{len(taken)} frames: {middle:.1f} ms median, {slow:.1f} ms at 95 %", file=sys.stderr)
