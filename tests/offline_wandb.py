"""Read back the content of an offline W&B run: protocol buffers in LevelDB's log format, after a header of 7 bytes."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

_BLOCK = 32768
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records(folder: Path) -> Iterator[Any]:
    """The records of the one offline run in a run folder."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    content, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        left = _BLOCK - position % _BLOCK
        if left < 7:  # the rest of a block that is too small for a header
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (_FULL, _LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def keys(folder: Path) -> dict[str, set[str]]:
    """Names by kind: ``history``, ``config``, ``run`` (name, group and tags)."""
    found: dict[str, set[str]] = {"history": set(), "config": set(), "run": set()}
    for record in records(folder):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            found["history"] |= {item.key or ".".join(item.nested_key) for item in record.history.item}
        elif kind == "config":
            found["config"] |= {item.key or ".".join(item.nested_key) for item in record.config.update}
        elif kind == "run":
            found["run"] |= {record.run.display_name, record.run.run_group, *record.run.tags}
            found["config"] |= {item.key or ".".join(item.nested_key) for item in record.run.config.update}
    return found
