"""Show the content of an HDF5 file; exit with status 1 if training would refuse it."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmn.cli.view_option import HELP, read_view
from mmn.errors import UserError
from mmn.text import console, counted, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_MOST_ROWS = 1_000  # of a table; laying out more takes minutes


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("inspect", help="the content of an HDF5 file", description=__doc__)
    parser.add_argument("file", type=Path, help="the HDF5 file")
    parser.add_argument("--view", nargs="+", default=[], metavar="VIEW", help=f"show what remains in {HELP}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--verify", action="store_true", help="exit with status 1 unless all checksums are present and match"
    )
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw the layout with joint numbers")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import has_checksums, read_data
    from mmn.data.format.summary import summarise
    from mmn.data.view.view import differences

    whole = read_data(options.file)
    data = read_view(options.view).apply(whole, str(options.file))
    summary = summarise(data)
    checked = has_checksums(options.file)  # and reading has verified them all
    if options.verify and not checked:
        raise UserError(f"{options.file} has no checksums and cannot be verified; convert the data set again.")
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        for difference in differences(whole, data):
            print(f"view: {difference}")
        _print(summary)
        print("checksums: all match" if checked else "no checksums: written by an earlier version")
    if options.plot:
        from mmn.reporting.skeleton import draw_layout

        draw_layout(data.layout, next(iter(data.splits.values())).clip(0), options.plot)


def _print(summary: dict[str, Any]) -> None:
    out = console()
    parts = ", ".join(f"{part} {count}" for part, count in summary["parts"].items())
    out.print(_marked(summary["name"], f" · {summary['source']}", "bold"))
    out.print(f"{summary['joints']} joints in {summary['coordinates']}D: {parts}")
    out.print(_split_table(summary))
    groups = summary["group_of_class"]
    cells = {name: [str(i), name, *groups[i : i + 1]] for i, name in enumerate(summary["classes"])}
    titles = ("index", "class", "group") if groups else ("index", "class")
    _print_counts(out, "clips per class", titles, cells, summary["classes"])
    if summary["groups"]:
        cells = {group: [group] for group in summary["groups"]}
        _print_counts(out, "clips per group", ("group",), cells, summary["groups"])
    for split, filled in summary["filled"].items():
        most = ", ".join(f"{joint} {count:,}" for joint, count in list(filled["by_joint"].items())[:8])
        share = f"{filled['joints']:,} missing joints ({filled['share']:.1%}) in {counted(filled['clips'], 'clip')}"
        out.print(_marked(f"filled in, {split}:", f" {share}; most of all {most}"))
        clips = ", ".join(f"{name} {share:.0%}" for name, share in filled["most"].items())
        out.print(f"  most filled clips: {clips}")
    for split, zeros in summary["zeros"].items():
        out.print(
            _marked(
                f"exactly 0, {split}:", f" {counted(zeros['joints'], 'joint')} in {counted(zeros['clips'], 'clip')}"
            )
        )
    if summary["clip_groups"]:
        counts = ", ".join(f"{split} {count}" for split, count in summary["clip_groups"].items())
        out.print(f"groups (subjects or recordings): {counts}")
    for name, splits in list(summary["shared_groups"].items())[:20]:
        out.print(_marked("group in two splits:", f" {name} is in {' and '.join(splits)}"))
    if len(summary["shared_groups"]) > 20:
        out.print(_marked(f"… {len(summary['shared_groups'])} such groups in all", "; --json lists them"))
    for pair in summary["copies"][:20]:
        out.print(_marked("nearly the same in two splits:", f" {pair['first']} and {pair['second']} ({pair['how']})"))
    for pair in summary["contradictions"][:20]:
        labels = " and ".join(list(summary["classes"])[label] for label in pair["labels"])
        out.print(_marked("nearly the same, different labels:", f" {pair['first']} and {pair['second']}: {labels}"))
    if max(len(summary["copies"]), len(summary["contradictions"])) > 20:
        counts = f"{len(summary['copies'])} and {len(summary['contradictions'])}"
        out.print(_marked(f"… {counts} such pairs in all", "; --json lists them"))


def _marked(head: str, rest: str, style: str = "yellow") -> "Text":
    """A line with a coloured beginning."""
    from rich.text import Text

    return Text.assemble((head, style), rest)


def _split_table(summary: dict[str, Any]) -> "Table":
    table = _table("splits")
    columns = ("split", "clips", "labelled", "frames", "min", "median", "max", "classes", "imbalance")
    for column in columns:
        table.add_column(column, justify="left" if column == "split" else "right", no_wrap=True)
    for split, numbers in summary["splits"].items():
        table.add_row(split, *(_number(value) for value in numbers.values()))
    table.caption, table.caption_justify = (
        "min, median, max: frames per clip; imbalance: largest over smallest class",
        "left",
    )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def _print_counts(
    out: "Console", title: str, titles: tuple[str, ...], cells: dict[str, list[str]], counts: dict[str, dict[str, int]]
) -> None:
    """Print rows of leading ``cells`` under ``titles``, then one count per split; plain lines if there are many."""
    columns = [*titles, *next(iter(counts.values()))]
    rows = [[*leading, *(f"{count:,}" for count in counts[name].values())] for name, leading in cells.items()]
    if len(rows) > _MOST_ROWS:
        print("\n".join([title, *map(plain, map("  ".join, [columns, *rows]))]))
        return
    table = _table(title)
    for column in columns:
        table.add_column(column, justify="left" if column in ("class", "group") else "right")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _table(title: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
