"""Hostile HDF5 files, each made by a function that changes a valid one."""

import zlib
from pathlib import Path

import h5py
import numpy as np


def _replace(file: h5py.File, name: str, **options) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, **{"shape": shape, "dtype": dtype, **options})


def external_storage(file: h5py.File) -> None:
    """Names stored in another file."""
    _replace(file, "classes/names", dtype="S8", external=[("/etc/passwd", 0, 14 * 8)])


def missing_source(file: h5py.File) -> None:
    """Numbers stored in a file that does not exist, which HDF5 reads as zeros."""
    _replace(file, "train/keypoints", external=[("/nowhere/keypoints.raw", 0, h5py.h5f.UNLIMITED)])


def external_link(file: h5py.File) -> None:
    """A group of another file."""
    del file["train"]
    file["train"] = h5py.ExternalLink("other.h5", "/train")


def soft_link(file: h5py.File) -> None:
    """One split under two names."""
    del file["val"]
    file["val"] = h5py.SoftLink("/train")


def virtual(file: h5py.File) -> None:
    """A virtual data set of another file."""
    shape = file["train/keypoints"].shape
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource("/nowhere/other.h5", "keypoints", shape)
    del file["train/keypoints"]
    file.create_virtual_dataset("train/keypoints", layout)


def huge(file: h5py.File) -> None:
    """240 GB that were never written."""
    _replace(file, "train/keypoints", shape=(2_000_000_000, 15, 2), chunks=(64, 15, 2))


def huge_contiguous(file: h5py.File) -> None:
    """240 GB without chunks."""
    _replace(file, "train/keypoints", shape=(2_000_000_000, 15, 2))


def bomb(file: h5py.File) -> None:
    """Four gigabytes of zeros in four megabytes."""
    del file["val/keypoints"]
    rows = 1 << 19
    data = file.create_dataset("val/keypoints", (64 * rows, 15, 2), "f4", chunks=(rows, 15, 2), compression="gzip")
    packed = zlib.compress(bytes(4 * 15 * 2 * rows), 9)
    for start in range(0, 64 * rows, rows):
        data.id.write_direct_chunk((start, 0, 0), packed)


def huge_chunk(file: h5py.File) -> None:
    """A few labels in a chunk of more than a gigabyte."""
    _replace(file, "val/labels", shape=(28,), maxshape=(None,), chunks=(1 << 30,), compression="gzip")


def never_written(file: h5py.File) -> None:
    """Missing chunks, which HDF5 reads as zeros."""
    _replace(file, "val/keypoints", chunks=(64, 15, 2))


def huge_attribute(file: h5py.File) -> None:
    """An attribute of 32 MB."""
    file.attrs["name"] = np.zeros(1 << 25, np.uint8)


def cycle(file: h5py.File) -> None:
    """A group that contains itself."""
    file["train/again"] = file["train"]


def many_objects(file: h5py.File) -> None:
    """Thousands of groups."""
    for number in range(2_000):
        file.create_group(f"extra{number}")


def references(file: h5py.File) -> None:
    """Object references, neither numbers nor text."""
    file["train/pointers"] = np.array([file["val"].ref], h5py.ref_dtype)


def ragged(file: h5py.File) -> None:
    """Lists of numbers of different lengths."""
    data = file.create_dataset("train/lists", (2,), h5py.vlen_dtype(np.int32))
    data[0] = [1, 2, 3]


def one_long_name_many_times(file: h5py.File) -> None:
    """A megabyte of text that a hundred thousand names point to."""
    del file["classes/names"]
    names = file.create_dataset("classes/names", (100_000,), h5py.string_dtype())
    names[0] = "x" * (1 << 20)
    offset, size = names.id.get_offset(), 16
    first = Path(file.filename)
    file.flush()
    with first.open("r+b") as raw:
        raw.seek(offset)
        pointer = raw.read(size)
        raw.seek(offset)
        raw.write(pointer * 100_000)


HOSTILE = (
    external_storage, missing_source, external_link, soft_link, virtual, huge, huge_contiguous, bomb, huge_chunk,
    never_written, huge_attribute, cycle, many_objects, references, ragged, one_long_name_many_times,
)  # fmt: skip
