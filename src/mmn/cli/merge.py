"""Merge data sets, matching joints and classes by name and keeping splits and groups."""

import argparse
import csv
from pathlib import Path
from typing import Any

from mmn.cli.output import add_output, check_output
from mmn.errors import UserError


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("merge", help="several HDF5 files → one", description=__doc__)
    add_output(parser)
    parser.add_argument(
        "files", type=Path, nargs="+", help="two HDF5 files or more; the first determines the order of joints"
    )
    parser.add_argument(
        "--classes", default="union", choices=("union", "common"), help="classes to keep (default: union)"
    )
    parser.add_argument(
        "--joints", default="common", choices=("common",), help="joints to keep: those that all files have"
    )
    parser.add_argument(
        "--map", type=Path, help="CSV of source,class,name to rename classes; an empty name leaves one out"
    )
    parser.add_argument("--name", help="short name of the data set (default: the output's)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import read_data, write_data
    from mmn.data.format.summary import in_a_line
    from mmn.data.view.merge import merge

    names = [path.stem for path in options.files]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"two files are called {min(twice)}, which prefixes the names of their clips; rename one.")
    if options.output.resolve() in [path.resolve() for path in options.files]:
        raise UserError(f"{options.output} is one of the files to merge; write to another file.")
    check_output(options)
    renamed = {} if options.map is None else _read_map(options.map)
    sets = {name: read_data(path) for name, path in zip(names, options.files, strict=True)}
    merged = merge(sets, options.name or options.output.stem, options.classes, renamed)
    write_data(options.output, merged.data)
    for note in merged.notes:
        print(note)
    print(f"{options.output}: {in_a_line(merged.data)}")


def _read_map(path: Path) -> dict[tuple[str, str], str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            if not {"source", "class", "name"} <= set(reader.fieldnames or []):
                raise UserError(
                    f"{path} has the columns {', '.join(reader.fieldnames or [])}; it needs source,class,name."
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} cannot be read; --map takes a CSV file with the columns source,class,name.") from None
    names: dict[tuple[str, str], str] = {}
    for line, row in enumerate(rows, start=2):
        cells = [row[key] for key in ("source", "class", "name")]
        if None in cells:
            raise UserError(f"{path}, row {line} has fewer than three cells; end it with a comma to leave a class out.")
        source, old, new = (cell.strip() for cell in cells)
        if names.setdefault((source, old), new) != new:
            raise UserError(f"{path} renames {old} of {source} to {names[source, old]} and to {new}; choose one.")
    return names
