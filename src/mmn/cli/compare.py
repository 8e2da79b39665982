"""Tabulate the runs of a sweep and their ensemble, in compare.md and compare.json in its folder."""

import argparse
from pathlib import Path
from typing import Any

from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("compare", help="a sweep → a table and its ensemble", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a sweep, or any folder with runs")
    parser.add_argument("--metric", default="top1", help="metric of metrics.json (default: top1)")
    parser.add_argument("--split", help="split of the metric (default: test; of runs over folds, the fold held out)")
    parser.add_argument(
        "--against", type=Path, help="another folder of runs over the same folds, to compare with clip by clip"
    )
    parser.add_argument("--latex", action="store_true", help="print LaTeX, and write compare.tex too")
    parser.add_argument(
        "--csv", action="store_true", help="print one line per run (of folds: per seed), and write compare.csv too"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.files import replacing, write_json
    from mmn.reporting.compare import Comparison, compare
    from mmn.reporting.compare_folds import FoldComparison, compare_folds, of_folds

    comparison: Comparison | FoldComparison
    if of_folds(options.folder):
        if options.split is not None:
            raise UserError(f"{options.folder} has runs over folds, compared on the folds held out; leave out --split.")
        comparison = compare_folds(options.folder, options.metric, options.against)
    elif options.against is not None:
        raise UserError(f"{options.folder} has no runs over folds (data.folds), which --against compares.")
    else:
        comparison = compare(options.folder, options.metric, options.split or "test")
    texts = {"md": comparison.markdown()}
    texts |= {"tex": comparison.latex()} if options.latex else {}
    texts |= {"csv": comparison.csv()} if options.csv else {}
    print(texts[list(texts)[-1]])
    for suffix, text in texts.items():
        with replacing(options.folder / f"compare.{suffix}") as part:
            part.write_text(text, encoding="utf-8")
    write_json(options.folder / "compare.json", comparison.as_dict())
