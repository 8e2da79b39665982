"""Hashes of the rows of large data sets, and files without them."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmn.data.format.hdf5 import has_checksums, read_data
from mmn.data.synthetic.synthesize import synthesize
from mmn.errors import UserError
from mmn.hdf5.digest import digest
from mmn.hdf5.hashes import hashes_of, read_rows, write_rows
from mmn.hdf5.reading import open_hdf5


def test_every_row_read_is_verified(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write_rows(file, "rows", np.arange(1000, dtype=np.float32).reshape(500, 2))
        rows, hashes = file["rows"], hashes_of(file["rows"])
        np.testing.assert_array_equal(read_rows(rows, hashes, 100, 450), np.arange(200, 900).reshape(350, 2))
        rows[260, 1] = -1  # in the third block, rows 256 to 383
        read_rows(rows, hashes, 0, 256)
        read_rows(rows, hashes, 384, 500)
        for start, stop in ((256, 257), (380, 390), (0, 500)):
            with pytest.raises(OSError, match="rows is damaged"):
                read_rows(rows, hashes, start, stop)


@pytest.mark.parametrize("hashes", [np.uint64(1), np.zeros(10_000, np.uint64), np.zeros((1, 1), np.uint64), [0.5]])
@pytest.mark.parametrize("limit", [1e9, 0])
def test_hashes_that_do_not_fit_are_refused(hashes: object, limit: float, jhmdb_like: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(jhmdb_like, tmp_path / "x.h5"))
    with h5py.File(copy, "a") as file:
        del file["val/keypoints_hashes"]
        file["val/keypoints_hashes"] = hashes
    with pytest.raises(UserError, match="hashes does not fit"):
        read_data(copy, memory_limit=limit)


def with_checksums_of_hdf5(path: Path) -> None:
    """Store coordinates as earlier versions did."""
    with h5py.File(path, "a") as file:
        for group in (file["train"], file["val"], file["test"]):
            values = group["keypoints"][()]
            del group["keypoints"], group["keypoints_hashes"]
            group.create_dataset("keypoints", data=values, chunks=(128, *values.shape[1:]), fletcher32=True)
            group.attrs["digest"] = digest(group)


def test_a_file_compressed_by_another_program_is_read(jhmdb_like: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(jhmdb_like, tmp_path / "x.h5"))
    with h5py.File(copy, "a") as file:
        for group in (file["train"], file["val"], file["test"]):
            values = np.round(group["keypoints"][()], -2)  # compresses well
            del group["keypoints"], group["keypoints_hashes"], group.attrs["digest"]
            group.create_dataset("keypoints", data=values, compression="gzip")
    with h5py.File(copy.with_name("y.h5"), "w") as packed, h5py.File(copy) as file:
        packed.attrs.update(file.attrs)
        for name in file:
            file.copy(name, packed)
    assert read_data(copy.with_name("y.h5")).classes == read_data(jhmdb_like).classes


def test_files_of_earlier_versions_are_read(jhmdb_like: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(jhmdb_like, tmp_path / "x.h5"))
    with_checksums_of_hdf5(copy)
    np.testing.assert_array_equal(
        read_data(copy).splits["val"].keypoints, read_data(jhmdb_like).splits["val"].keypoints
    )
    assert has_checksums(copy)


@pytest.mark.parametrize("seed", [1, 32, 73, 84, 149])  # some of their addresses look like references to text
def test_nothing_but_a_reference_is_taken_for_one(seed: int, tmp_path: Path) -> None:
    synthesize(
        tmp_path / "x.h5", "jhmdb", clips_per_class=1, val_per_class=1, test_per_class=1, frames=(8, 12), seed=seed
    )
    with open_hdf5(tmp_path / "x.h5", "write it again"):
        pass
