"""Matching of clips to rows of a label table by name."""

import unicodedata
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from mmn.data.sources.labels.table import Row
from mmn.data.sources.words import some
from mmn.errors import UserError

_SUFFIXES = {
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".json", ".jsonl", ".npy", ".npz", ".pkl", ".txt", ".csv", ".skeleton"),
    *(".bvh", ".c3d", ".h5", ".hdf5"),
}


def match_rows(names: Sequence[str], rows: Sequence[Row], left_out: Collection[str], labels: str) -> dict[str, Row]:
    """The row of each clip; names are compared in NFC, first exactly, then without folders and file suffix.

    Args:
        names: names of the clips.
        rows: the label table.
        left_out: clips that the conversion leaves out; they may lack a row.
        labels: the table's name in error messages.

    Raises:
        UserError: a clip has no row, a row has no clip, one fits two of the other, or two rows have the same name.
    """
    by_name: dict[str, Row] = {}
    for row in rows:
        if row.name in by_name:
            raise UserError(f"{row.where}: the name {row.name!r} occurs twice; give each clip one row.")
        by_name[row.name] = row
    short: dict[str, list[Row]] = {}
    for row in by_name.values():
        short.setdefault(short_name(row.name), []).append(row)
    found: dict[str, Row] = {}
    lost, clip_of = [], dict[str, str]()
    exactly = {unicodedata.normalize("NFC", name) for name in names} & set(by_name)
    for name in names:
        exact = unicodedata.normalize("NFC", name)
        near = [by_name[exact]] if exact in by_name else short.get(short_name(name), [])
        if exact not in by_name:
            near = [row for row in near if row.name not in exactly]  # they are other clips' rows
        if len(near) > 1:
            raise UserError(
                f"{labels} has rows for {near[0].name} and {near[1].name}, which both match clip {name}; rename them."
            )
        if near:
            other = clip_of.setdefault(near[0].name, name)
            if other != name:
                raise UserError(
                    f"{near[0].where}: the row of {near[0].name} matches both clip {other} and clip {name}; give each "
                    "clip a row, with its folder."
                )
            found[name] = near[0]
        else:
            lost.append(name)
    if lost := [name for name in lost if name not in left_out]:
        raise UserError(f"{_some(lost, 'clip')} no row in {labels}; add {_them(lost)} or leave {_them(lost)} out.")
    taken = {row.name for row in found.values()}
    extra = [row.name for row in rows if row.name not in taken]
    if extra:
        raise UserError(
            f"{labels} has {'a row' if len(extra) == 1 else f'{len(extra)} rows'} without a clip: {some(extra)}; "
            f"remove {_them(extra)} or add the clip{'s' if len(extra) > 1 else ''}."
        )
    return found


def recordings_of(wanted: Collection[str], recordings: Collection[str]) -> dict[str, str]:
    """The recording of each wanted name, compared as by ``match_rows``.

    Raises:
        UserError: a name has no recording, or fits several.
    """
    exact = {unicodedata.normalize("NFC", name): name for name in recordings}
    short: dict[str, list[str]] = {}
    for name in sorted(recordings):
        short.setdefault(short_name(name), []).append(name)
    found: dict[str, str] = {}
    lost: list[str] = []
    for name in sorted(wanted):
        plain = unicodedata.normalize("NFC", name).replace("\\", "/")
        stems = [key for key in (plain, _without_suffix(plain)) if key in exact]
        near = [exact[stems[0]]] if stems else short.get(short_name(name), [])
        if len(near) > 1:
            raise UserError(f"segments of {name} match the recordings {some(near)}; name the recording's folder too.")
        if near:
            found[name] = near[0]
        else:
            lost.append(name)
    if lost:
        raise UserError(f"there are segments of {some(lost)}, but no such recordings; correct the names.")
    return found


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in _SUFFIXES else name


def short_name(name: str) -> str:
    """A name in NFC without folders and file suffix."""
    path = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/"))
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name


def _some(names: Sequence[str], what: str) -> str:
    return f"{what} {names[0]} has" if len(names) == 1 else f"{len(names)} {what}s ({some(names)}) have"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
