"""The HDF5 file, format version 1: one self-describing file per data set."""

from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.datasets import array_of, dataset_of, group_of, strings_of, write_strings
from mmn.data.format.definitions import read_classes, read_layout, write_classes, write_layout
from mmn.data.format.layout import Layout
from mmn.data.format.lazy import LazyDataset
from mmn.data.format.skeletons import SPLITS, SkeletonData, check_data
from mmn.errors import UserError
from mmn.hdf5.digest import DIGEST, is_intact, is_verified
from mmn.hdf5.hashes import are_intact, hashes_of, write_rows
from mmn.hdf5.reading import content, open_hdf5
from mmn.hdf5.writing import CHECKED, new_hdf5

FORMAT = "mmn-skeleton"
VERSION = 1


def write_data(path: str | Path, data: SkeletonData) -> None:
    """Check ``data`` and write it to one HDF5 file.

    Raises:
        UserError: the data would be refused on reading, or the path cannot be written to.
    """
    path = Path(path)
    check_data(data, str(path))
    names = data.classes.names
    with new_hdf5(path) as file:
        file.attrs.update(
            format=FORMAT,
            version=VERSION,
            name=data.name,
            source=data.source,
            created_with=f"mmn {installed_version('mmn')}",
        )
        write_layout(file.create_group("layout"), data.layout)
        write_classes(file.create_group("classes"), data.classes)
        for split, clips in data.splits.items():
            group = file.create_group(split)
            write_rows(group, "keypoints", np.asarray(clips.keypoints, np.float32))
            if clips.filled is not None:
                group.create_dataset("filled", data=np.asarray(clips.filled, np.uint8), compression="gzip", **CHECKED)
            group["offsets"] = clips.offsets
            group["labels"] = clips.labels.astype(np.promote_types(np.int16, np.min_scalar_type(-len(names))))
            write_strings(group, "names", clips.names)
            if clips.groups is not None:
                _write_groups(group, clips.groups)


def _write_groups(group: h5py.Group, groups: Sequence[str]) -> None:
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    group["groups"] = np.array([place[name] for name in groups], np.int64)
    write_strings(group, "group_names", names)


def read_data(path: str | Path, splits: Sequence[str] = SPLITS, memory_limit: float = 16e9) -> SkeletonData:
    """Read and check a file.

    Args:
        path: the file.
        splits: splits to read, if present.
        memory_limit: bytes; if the clips of ``splits`` take more, they stay in the file and are read by slices.

    Raises:
        UserError: the file is missing, has another format or version, or contains anything training cannot use; the
            message says where (split, clip, frame).
    """
    path = Path(path)
    _check_there(path)
    with open_hdf5(path, "convert or download it again") as file:
        _check_format(file, path)
        present = [split for split in splits if split in file]
        lazy = _bytes(file, present) > memory_limit
        data = SkeletonData(
            name=str(file.attrs.get("name", path.stem)),
            source=str(file.attrs.get("source", "unknown")),
            layout=read_layout(group_of(file, "layout", path), path),
            classes=read_classes(group_of(file, "classes", path), path),
            splits={split: _read_clips(group_of(file, split, path), path, lazy) for split in present},
        )
        changed = [name for name in ("/", "layout", "classes", *present) if is_intact(file[name]) is False]
        hashes = {} if lazy else {split: hashes_of(file[split]["keypoints"]) for split in present}
    check_data(data, str(path))
    changed += [
        split for split, found in hashes.items() if not are_intact(np.asarray(data.splits[split].keypoints), found)
    ]
    if changed:
        raise UserError(
            f"{path}: the content of {changed[0]} has changed, its digest differs; get the file again, or "
            "remove that group's attribute digest, and its keypoints_hashes, if it was changed on purpose."
        )
    return data


def read_definitions(path: str | Path) -> tuple[Layout, Classes]:
    """The skeleton and classes of a file, without its clips.

    Raises:
        UserError: as ``read_data``.
    """
    path = Path(path)
    _check_there(path)
    with open_hdf5(path, "convert or download it again") as file:
        _check_format(file, path)
        return read_layout(group_of(file, "layout", path), path), read_classes(group_of(file, "classes", path), path)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"there is no data file {path}; give data.path, or make one with `mmn convert`.")


def has_checksums(path: str | Path) -> bool:
    """Whether everything in a file has checksums; existing ones are verified on reading."""
    with open_hdf5(Path(path), "convert or download it again") as file:
        groups = [item for item in file.values() if isinstance(item, h5py.Group)]
        return all(DIGEST in group.attrs for group in (file, *groups)) and all(
            is_verified(group["keypoints"]) for group in groups if "keypoints" in group
        )


def _bytes(file: h5py.File, splits: Sequence[str]) -> int:
    """Memory of ``splits``: keypoints as float32, and one byte per joint of ``filled``."""
    return sum(
        size * file[f"{split}/{name}"].size
        for split in splits
        for name, size in (("keypoints", 4), ("filled", 1))
        if f"{split}/{name}" in file
    )


def _check_format(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise UserError(f"{path} is an HDF5 file but not a skeleton file of this project; make one with `mmn convert`.")
    version = file.attrs.get("version")
    if version != VERSION:
        raise UserError(
            f"{path} has format version {version}, this program reads version {VERSION}; "
            "update mmn or convert the data set again."
        )


def _read_groups(group: h5py.Group, clips: int, path: Path) -> list[str] | None:
    if "groups" not in group:
        return None
    names, groups = strings_of(group, "group_names", path), array_of(group, "groups", path, "i", (clips,))
    if len(groups) and not (groups.min() >= 0 and groups.max() < len(names)):
        raise UserError(
            f"{path}, split {group.name.strip('/')}: the groups are not all among its {len(names)} group names; "
            "convert the data set again."
        )
    return [names[index] for index in groups]


def _read_clips(group: h5py.Group, path: Path, lazy: bool) -> Clips:
    names = strings_of(group, "names", path)
    keypoints = dataset_of(group, "keypoints", path, "f", (None, None, None))
    offsets = array_of(group, "offsets", path, "i", (len(names) + 1,)).astype(np.int64)
    labels = array_of(group, "labels", path, "i", (len(names),)).astype(np.int64)
    if offsets[0] != 0 or offsets[-1] != len(keypoints) or (np.diff(offsets) < 0).any():
        raise UserError(
            f"{path}, split {group.name.strip('/')}: the offsets do not increase from 0 to {len(keypoints)}; "
            "convert the data set again."
        )
    filled = dataset_of(group, "filled", path, "i", keypoints.shape[:2]) if "filled" in group else None

    def kept(dataset: h5py.Dataset, dtype: type) -> Any:
        return LazyDataset(dataset, path, dtype) if lazy else content(dataset, dtype)

    return Clips(
        keypoints=kept(keypoints, np.float32),
        offsets=offsets,
        labels=labels,
        names=names,
        filled=None if filled is None else kept(filled, np.bool_),
        groups=_read_groups(group, len(names), path),
    )
