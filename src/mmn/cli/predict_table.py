"""The table that ``mmn predict`` writes, continued if the same command was interrupted."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmn.text import counted

if TYPE_CHECKING:
    from mmn.engine.predict import Recordings
    from mmn.evaluation.growing_table import GrowingTable
    from mmn.evaluation.row_file import Row

    Finished = Mapping[str, Sequence[Row]]  # the identity of a clip → its rows
    Find = Callable[[Finished], Iterator[Finished]]


def write_table(path: Path, columns: list[str], options: argparse.Namespace, find: "Find") -> "GrowingTable":
    """Write rows as they are found, continuing the file if the same command was interrupted."""
    from mmn.evaluation.growing_table import growing_table

    with growing_table(path, columns, _request(options)) as table:
        if table.recorded:
            print(f"{path}: {counted(len(table.recorded), 'clip')} finished before, continuing", file=sys.stderr)
        for found in find(table.recorded):
            table.add(found)
    return table


def divided(recordings: "Recordings", recorded: "Finished") -> "tuple[Finished, Recordings, dict[str, str]]":
    """The recorded rows of recordings, the other recordings, and the identities of all of them by name."""
    from mmn.engine.predict import some_of

    identities = recordings.identities()
    left = some_of(recordings, [index for index, one in enumerate(identities) if one not in recorded])
    return (
        {one: recorded[one] for one in identities if one in recorded},
        left,
        dict(zip(recordings.clips.names, identities, strict=True)),
    )


def _request(options: argparse.Namespace) -> dict[str, str]:
    """Everything that rows depend on besides the clips: options, checkpoints, and the layout if it is a file."""
    from mmn.inference.checkpoint_file import checkpoint_file

    paths = [Path(checkpoint_file(path)) for path in options.checkpoint.split(",")]
    if options.layout is not None and Path(options.layout).is_file():
        paths.append(Path(options.layout))
    files = [path.stat() for path in paths]
    asked = {name: str(value) for name, value in vars(options).items() if name not in ("run", "device")}
    return {**asked, "files": str([(file.st_size, file.st_mtime_ns) for file in files])}
