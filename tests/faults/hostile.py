"""Hostile HDF5 files, each made by a function that changes a valid one."""

import zlib
from collections.abc import Callable
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
    _overwrite(file, names.id.get_offset(), lambda reference: reference * 100_000)


def _overwrite(file: h5py.File, offset: int, change: Callable[[bytes], bytes]) -> None:
    """Change a reference to a text, behind HDF5's back."""
    file.flush()
    with Path(file.filename).open("r+b") as raw:
        raw.seek(offset)
        reference = raw.read(16)
        raw.seek(offset)
        raw.write(change(reference))


def chunk_of_texts(file: h5py.File) -> None:
    """Four thousand texts in a chunk that are the same megabyte."""
    texts = file.create_dataset("train/notes", (2, 2_000), h5py.string_dtype(), chunks=(2, 2_000))
    texts[...] = "x"
    texts[0, 0] = "x" * (1 << 20)
    file.flush()
    _overwrite(file, texts.id.get_chunk_info(0).byte_offset, lambda reference: reference * 4_000)


def text_of_4_gigabytes(file: h5py.File) -> None:
    """A text in a chunk that declares a length of 4 GB."""
    _replace(file, "train/names", chunks=True)
    file["train/names"][...] = "name"
    file.flush()
    _overwrite(file, file["train/names"].id.get_chunk_info(0).byte_offset, lambda text: b"\xff" * 4 + text[4:])


def compressed_texts(file: h5py.File) -> None:
    """References to texts that cannot be checked, because they are compressed."""
    _replace(file, "train/names", compression="gzip")
    file["train/names"][...] = "name"


def short_names(file: h5py.File) -> None:
    """Names of one byte, each of which takes a hundred in memory."""
    _replace(file, "val/names", shape=(20_000_000,), dtype="S1", data=np.zeros(20_000_000, "S1"))


def compressed_bones(file: h5py.File) -> None:
    """Fifty million bones in a small file."""
    _replace(file, "layout/bones", shape=(50_000_000, 2), dtype="u1", chunks=(10_000_000, 2), compression="gzip")
    packed = zlib.compress(bytes(20_000_000))
    for start in range(0, 50_000_000, 10_000_000):
        file["layout/bones"].id.write_direct_chunk((start, 0), packed)


def _filled(file: h5py.File, filters: int, content: bytes) -> None:
    shape = file["val/keypoints"].shape[:2]
    if "val/filled" in file:
        del file["val/filled"]
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(shape)
    for _ in range(filters):
        plan.set_filter(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FLAG_OPTIONAL, (9,))
    space = h5py.h5s.create_simple(shape)
    data = h5py.h5d.create(file["val"].id, b"filled", h5py.h5t.NATIVE_UINT8, space, plan)
    data.write_direct_chunk((0, 0), content)


def inflating_chunk(file: h5py.File) -> None:
    """A chunk of a few kilobytes that inflates to megabytes."""
    _filled(file, 1, zlib.compress(bytes(1 << 24)))


def compressed_twice(file: h5py.File) -> None:
    """A chunk that is compressed twice."""
    _filled(file, 2, zlib.compress(zlib.compress(bytes(1 << 24), 9)))


REASONS = {
    chunk_of_texts: "texts that are longer than the file",
    text_of_4_gigabytes: "texts that are longer than the file",
    compressed_texts: "uses filters",
    short_names: "more than this file can hold",
    compressed_bones: "more than this file can hold",
    inflating_chunk: "unpack to more than their size",
    compressed_twice: "uses filters",
}
HOSTILE = (
    external_storage, missing_source, external_link, soft_link, virtual, huge, huge_contiguous, bomb, huge_chunk,
    never_written, huge_attribute, cycle, many_objects, references, ragged, one_long_name_many_times, *REASONS,
)  # fmt: skip
