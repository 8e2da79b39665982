"""``mmn inspect``: what is inside an HDF5 file; exits with status 1 on a file that training would refuse."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mmn.data.hdf5 import read_data
from mmn.data.summary import summarise


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("inspect", help="what is inside an HDF5 file", description=__doc__)
    parser.add_argument("file", type=Path, help="the HDF5 file")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    summary = summarise(read_data(options.file))
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    console = Console()
    parts = ", ".join(f"{part} {count}" for part, count in summary["parts"].items())
    console.print(f"[bold]{summary['name']}[/] · {summary['source']}", highlight=False)
    console.print(f"{summary['joints']} joints in {summary['coordinates']}D: {parts}", highlight=False)
    console.print(_split_table(summary))
    console.print(_class_table(summary))
    for pair in summary["duplicates"]:
        console.print(f"[yellow]equal clips in two splits:[/] {pair[0]} and {pair[1]}", highlight=False)


def _split_table(summary: dict[str, Any]) -> Table:
    table = Table(title="splits", title_justify="left")
    for column in ("split", "clips", "labelled", "frames", "shortest", "median", "longest"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, numbers in summary["splits"].items():
        table.add_row(split, *(f"{value:,g}" for value in numbers.values()))
    return table


def _class_table(summary: dict[str, Any]) -> Table:
    table = Table(title="clips a class", title_justify="left")
    table.add_column("index", justify="right")
    table.add_column("class")
    for split in summary["splits"]:
        table.add_column(split, justify="right")
    for index, (name, counts) in enumerate(summary["classes"].items()):
        table.add_row(str(index), name, *(f"{count:,}" for count in counts.values()))
    return table
