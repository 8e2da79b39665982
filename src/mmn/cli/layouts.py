"""List the built-in skeletons, or draw one."""

import argparse
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.text import console


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("layouts", help="list the built-in skeletons, or draw one", description=__doc__)
    parser.add_argument("name", nargs="?", help="a built-in layout or a YAML file (default: list all)")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="draw the layout with joint numbers")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.name is None:
        if options.plot:
            raise UserError("--plot draws one layout; name it, as in mmn layouts coco17 --plot coco17.png.")
        _list()
        return
    from mmn.data.format.layout import load_layout

    layout = load_layout(options.name)
    for part, joints in layout.parts.items():
        print(f"{part}: " + ", ".join(f"{joint} {layout.joints[joint]}" for joint in joints))
    print(f"centre: {layout.joints[layout.centre]}")
    if options.plot:
        _plot(layout, options.plot)


def _list() -> None:
    from rich.table import Table

    from mmn.data.format.classes import load_classes
    from mmn.data.format.layout import BUILT_IN, load_layout

    table = Table(box=None, pad_edge=False)
    for column in ("layout", "joints", "classes", "parts"):
        table.add_column(column, justify="right" if column in ("joints", "classes") else "left")
    for name in BUILT_IN:
        layout, classes = load_layout(name), load_classes(name)
        count = str(len(classes.names)) if classes else "own"
        table.add_row(name, str(layout.num_joints), count, ", ".join(layout.parts))
    console().print(table)


def _plot(layout: Any, path: Path) -> None:
    import numpy as np

    from mmn.data.synthetic.synthesize import rest_pose
    from mmn.reporting.skeleton import draw_layout

    draw_layout(layout, rest_pose(layout, np.random.default_rng(0))[None].astype(np.float32), path)
    print(path)
