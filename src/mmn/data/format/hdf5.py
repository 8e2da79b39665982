"""The HDF5 file, format version 1: one self-describing file per data set."""

from collections.abc import Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.layout import Classes, Layout
from mmn.data.format.lazy import LazyDataset
from mmn.data.format.skeletons import SPLITS, SkeletonData, check_data
from mmn.errors import UserError
from mmn.hdf5.digest import DIGEST, is_intact, texts
from mmn.hdf5.reading import content, open_hdf5
from mmn.hdf5.writing import CHECKED, new_hdf5

FORMAT = "mmn-skeleton"
VERSION = 1
_FRAMES_PER_CHUNK = 64  # about one clip: a clip is read without touching its neighbours


def write_data(path: str | Path, data: SkeletonData) -> None:
    """Write ``data`` to one HDF5 file, checked first.

    Raises:
        UserError: data that reading would refuse, or a path that cannot be written to.
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
        _write_layout(file.create_group("layout"), data.layout)
        _write_classes(file.create_group("classes"), data.classes)
        for split, clips in data.splits.items():
            group = file.create_group(split)
            chunk = (min(_FRAMES_PER_CHUNK, len(clips.keypoints)), *clips.keypoints.shape[1:])
            group.create_dataset("keypoints", data=clips.keypoints, **{**CHECKED, "chunks": chunk})
            if clips.filled is not None:
                group.create_dataset("filled", data=np.asarray(clips.filled, np.uint8), compression="gzip", **CHECKED)
            group["offsets"] = clips.offsets
            group["labels"] = clips.labels.astype(np.promote_types(np.int16, np.min_scalar_type(-len(names))))
            _write_strings(group, "names", clips.names)
            if clips.groups is not None:
                _write_groups(group, clips.groups)


def _write_strings(group: h5py.Group, name: str, values: Sequence[str]) -> None:
    group.create_dataset(name, data=list(values), shape=(len(values),), dtype=h5py.string_dtype())


def _write_groups(group: h5py.Group, groups: Sequence[str]) -> None:
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    group["groups"] = np.array([place[name] for name in groups], np.int64)
    _write_strings(group, "group_names", names)


def _write_layout(group: h5py.Group, layout: Layout) -> None:
    part_of_joint = np.zeros(layout.num_joints, np.int64)
    for part, joints in enumerate(layout.parts.values()):
        part_of_joint[joints] = part
    _write_strings(group, "joint_names", layout.joints)
    _write_strings(group, "part_names", list(layout.parts))
    group["bones"] = np.array(layout.bones, np.int64).reshape(-1, 2)
    group["order"] = np.array(layout.order, np.int64)
    group["part_of_joint"] = part_of_joint
    group["flip_pairs"] = np.array(layout.flip_pairs, np.int64).reshape(-1, 2)
    group.attrs["centre"] = layout.centre


def _write_classes(group: h5py.Group, classes: Classes) -> None:
    _write_strings(group, "names", classes.names)
    if classes.group_names:
        group["group_of_class"] = np.array(classes.group_of_class, np.int64)
        _write_strings(group, "group_names", classes.group_names)
    if classes.flips:
        group["flips"] = np.array(classes.flips, np.int64)
    if classes.ordinal:
        group.attrs["ordinal"] = True


def read_data(path: str | Path, splits: Sequence[str] = SPLITS, memory_limit: float = 16e9) -> SkeletonData:
    """Read and check a file.

    Args:
        path: the file.
        splits: those to read, as far as they exist.
        memory_limit: bytes; larger keypoints of ``splits`` stay in the file and are read by slices.

    Raises:
        UserError: no such file, another format or version, or anything training cannot use, in one
            sentence with its place (split, clip, frame).
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
            layout=_read_layout(_group(file, "layout", path), path),
            classes=_read_classes(_group(file, "classes", path), path),
            splits={split: _read_clips(_group(file, split, path), path, lazy) for split in present},
        )
        changed = [name for name in ("/", "layout", "classes", *present) if is_intact(file[name]) is False]
    check_data(data, str(path))
    if changed:
        raise UserError(
            f"{path}: the content of {changed[0]} has changed, its digest differs; get the file again, or "
            "remove that group's attribute digest if it was changed on purpose."
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
        return _read_layout(_group(file, "layout", path), path), _read_classes(_group(file, "classes", path), path)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"there is no data file {path}; give data.path, or make one with `mmn convert`.")


def has_checksums(path: str | Path) -> bool:
    """Whether a whole file has checksums; existing ones are verified when it is read."""
    with open_hdf5(Path(path), "convert or download it again") as file:
        groups = [item for item in file.values() if isinstance(item, h5py.Group)]
        return all(DIGEST in group.attrs for group in (file, *groups)) and all(
            group["keypoints"].fletcher32 for group in groups if "keypoints" in group
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


def _group(file: h5py.File, name: str, path: Path) -> h5py.Group:
    if not isinstance(file.get(name), h5py.Group):
        raise UserError(f"{path} lacks the group {name}/; convert the data set again.")
    return file[name]


def _dataset(group: h5py.Group, name: str, path: Path, kind: str, shape: tuple[int | None, ...]) -> h5py.Dataset:
    """One data set, its kind (``f`` float, ``i`` integer) and shape (None = any) checked."""
    place = f"{group.name.strip('/')}/{name}"
    if not isinstance(group.get(name), h5py.Dataset):
        raise UserError(f"{path} lacks {place}; convert the data set again.")
    dataset = group[name]
    fits = len(dataset.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, dataset.shape, strict=True)
    )
    if dataset.dtype.kind not in ("iu" if kind == "i" else kind) or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise UserError(
            f"{path}: {place} is {dataset.dtype} of shape {dataset.shape} instead of "
            f"{'integers' if kind == 'i' else 'floating-point numbers'} of shape ({wanted}); "
            "convert the data set again."
        )
    return dataset


def _array(group: h5py.Group, name: str, path: Path, kind: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The content of a checked data set."""
    return _dataset(group, name, path, kind, shape)[()]


def _strings(group: h5py.Group, name: str, path: Path) -> list[str]:
    place = f"{group.name.strip('/')}/{name}"
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or h5py.check_string_dtype(dataset.dtype) is None:
        raise UserError(f"{path}: {place} is missing or not a list of names; convert the data set again.")
    try:
        return [value.decode("utf-8") for value in texts(dataset)]
    except UnicodeDecodeError:
        raise UserError(f"{path}: {place} is not UTF-8; convert the data set again.") from None


def _read_layout(group: h5py.Group, path: Path) -> Layout:
    joints, part_names = _strings(group, "joint_names", path), _strings(group, "part_names", path)
    v = len(joints)
    order = _array(group, "order", path, "i", (v,))
    part_of_joint = _array(group, "part_of_joint", path, "i", (v,))
    bones = _array(group, "bones", path, "i", (None, 2))
    flips = _array(group, "flip_pairs", path, "i", (None, 2))
    if sorted(order.tolist()) != list(range(v)) or not set(part_of_joint.tolist()) <= set(range(len(part_names))):
        raise UserError(
            f"{path}: layout/order or layout/part_of_joint does not fit its {v} joints; convert the data set again."
        )
    parts: dict[str, list[int]] = {name: [] for name in part_names}
    for joint in order.tolist():
        parts[part_names[part_of_joint[joint]]].append(joint)
    layout = Layout.from_dict(
        {
            "joints": joints,
            "bones": bones.tolist(),
            "parts": parts,
            "centre": int(group.attrs.get("centre", -1)),
            "flip_pairs": flips.tolist(),
        },
        f"in {path}",
    )
    if layout.order != order.tolist():
        raise UserError(f"{path}: layout/order does not keep the body parts together; convert the data set again.")
    return layout


def _read_classes(group: h5py.Group, path: Path) -> Classes:
    names = _strings(group, "names", path)
    flips = _array(group, "flips", path, "i", (len(names),)).tolist() if "flips" in group else []
    ordinal = bool(group.attrs.get("ordinal", False))
    if not all(-1 <= flip < len(names) for flip in flips):
        raise UserError(f"{path}: classes/flips has classes beyond its {len(names)}; convert the data set again.")
    if "group_names" not in group and "group_of_class" not in group:
        return Classes(names, [], [], flips, ordinal)
    groups = _array(group, "group_of_class", path, "i", (len(names),))
    return Classes(names, groups.tolist(), _strings(group, "group_names", path), flips, ordinal)


def _read_groups(group: h5py.Group, clips: int, path: Path) -> list[str] | None:
    if "groups" not in group:
        return None
    names, groups = _strings(group, "group_names", path), _array(group, "groups", path, "i", (clips,))
    if len(groups) and not (groups.min() >= 0 and groups.max() < len(names)):
        raise UserError(
            f"{path}, split {group.name.strip('/')}: the groups are not all among its {len(names)} group names; "
            "convert the data set again."
        )
    return [names[index] for index in groups]


def _read_clips(group: h5py.Group, path: Path, lazy: bool) -> Clips:
    names = _strings(group, "names", path)
    keypoints = _dataset(group, "keypoints", path, "f", (None, None, None))
    offsets = _array(group, "offsets", path, "i", (len(names) + 1,)).astype(np.int64)
    labels = _array(group, "labels", path, "i", (len(names),)).astype(np.int64)
    if offsets[0] != 0 or offsets[-1] != len(keypoints) or (np.diff(offsets) < 0).any():
        raise UserError(
            f"{path}, split {group.name.strip('/')}: the offsets do not rise from 0 to its {len(keypoints)} frames; "
            "convert the data set again."
        )
    filled = _dataset(group, "filled", path, "i", keypoints.shape[:2]) if "filled" in group else None

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
