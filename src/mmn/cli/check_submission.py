"""List every fault of an MA-52 challenge file; exit with status 1 if there are any."""

import argparse
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.text import counted


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("check-submission", help="list the faults of a challenge file", description=__doc__)
    parser.add_argument("prediction", type=Path, help="prediction.zip or prediction.csv")
    parser.add_argument("file", type=Path, help="the HDF5 file it is for")
    parser.add_argument("--split", default="test", help="split of the file (default: test)")
    parser.add_argument("--own-groups", action="store_true", help="groups were ranked by groups=marginal or network")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import read_data
    from mmn.evaluation.check_submission import check_submission

    data = read_data(options.file, [options.split])
    faults = check_submission(options.prediction, data, options.split, options.own_groups)
    for fault in faults:
        print(fault)
    if faults:
        raise UserError(f"{options.prediction} has {counted(len(faults), 'fault')}, listed above.")
    print(f"{options.prediction} is complete: {len(data.splits[options.split])} clips")
