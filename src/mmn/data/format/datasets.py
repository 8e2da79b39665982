"""Single data sets of the HDF5 file, checked on reading."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.hdf5.digest import texts


def write_strings(group: h5py.Group, name: str, values: Sequence[str]) -> None:
    group.create_dataset(name, data=list(values), shape=(len(values),), dtype=h5py.string_dtype())


def group_of(file: h5py.File, name: str, path: Path) -> h5py.Group:
    if not isinstance(file.get(name), h5py.Group):
        raise UserError(f"{path} lacks the group {name}/; convert the data set again.")
    return file[name]


def dataset_of(group: h5py.Group, name: str, path: Path, kind: str, shape: tuple[int | None, ...]) -> h5py.Dataset:
    """Return a data set after checking its kind (``f`` float, ``i`` integer) and shape (None = any)."""
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


def array_of(group: h5py.Group, name: str, path: Path, kind: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The content of a checked data set."""
    return dataset_of(group, name, path, kind, shape)[()]


def strings_of(group: h5py.Group, name: str, path: Path) -> list[str]:
    place = f"{group.name.strip('/')}/{name}"
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or h5py.check_string_dtype(dataset.dtype) is None:
        raise UserError(f"{path}: {place} is missing or not a list of names; convert the data set again.")
    try:
        return [value.decode("utf-8") for value in texts(dataset)]
    except UnicodeDecodeError:
        raise UserError(f"{path}: {place} is not UTF-8; convert the data set again.") from None
