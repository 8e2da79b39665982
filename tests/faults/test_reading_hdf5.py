"""HDF5 files that are damaged, hostile, or change while they are read."""

import os
import pickle
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import in_process

from faults.hostile import HOSTILE, REASONS
from faults.test_hashes import with_checksums_of_hdf5
from mmn.data.format.hdf5 import read_data
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, read_scores, write_scores
from mmn.hdf5.reading import open_hdf5


@pytest.fixture
def copy(jhmdb_like: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(jhmdb_like, tmp_path / "x.h5"))


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_file_is_refused_before_its_data_is_read(make, copy: Path, jhmdb_like: Path) -> None:
    shutil.copy(jhmdb_like, copy.with_name("other.h5"))
    with h5py.File(copy, "a") as file:
        make(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=rf"x\.h5.*{REASONS.get(make, '')}") as error:
        read_data(copy)
    assert "root:" not in str(error.value)
    assert len(str(error.value)) < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1.2e6  # kB


def with_a_bit_flipped(content: bytes, times: int, seed: int) -> Iterator[bytes]:
    """Copies of a file's content, each with one bit wrong."""
    for bit in np.random.default_rng(seed).integers(0, 8 * len(content), times).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def test_flipped_bits_are_refused_or_harmless(jhmdb_like: Path, small: SkeletonData, tmp_path: Path) -> None:
    content = jhmdb_like.read_bytes()
    path = tmp_path / "x.h5"
    refused = 0
    for damaged in with_a_bit_flipped(content, 60, seed=0):
        path.write_bytes(damaged)
        try:
            found = read_data(path)
        except UserError:
            refused += 1
        else:
            assert_equal(found, small)
    assert refused > 40


def assert_equal(a: SkeletonData, b: SkeletonData) -> None:
    assert (a.name, a.source, a.layout, a.classes) == (b.name, b.source, b.layout, b.classes)
    assert a.splits.keys() == b.splits.keys()
    for split, clips in a.splits.items():
        for field in ("keypoints", "offsets", "labels", "filled"):
            np.testing.assert_array_equal(getattr(clips, field), getattr(b.splits[split], field))
        assert (clips.names, clips.groups) == (b.splits[split].names, b.splits[split].groups)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_a_truncated_file_is_refused(share: float, copy: Path) -> None:
    os.truncate(copy, int(share * copy.stat().st_size))
    with pytest.raises(UserError, match=r"x\.h5"):
        read_data(copy)


@pytest.mark.parametrize("earlier", [False, True])
def test_damage_among_the_coordinates_is_reported(earlier: bool, copy: Path) -> None:
    if earlier:
        with_checksums_of_hdf5(copy)
    with h5py.File(copy) as file:
        data = file["val/keypoints"].id
        where = data.get_chunk_info(0).byte_offset if earlier else data.get_offset()
    with copy.open("r+b") as raw:
        raw.seek(where + 100)
        raw.write(b"\xff")
    with pytest.raises(UserError, match="val/keypoints is damaged" if earlier else "the content of val has changed"):
        read_data(copy)
    with pytest.raises(UserError, match="val/keypoints cannot be read at frames 0 to"):
        read_data(copy, memory_limit=0)


@pytest.mark.parametrize("value", [["a", "b"], 5, b"x"])
def test_a_digest_of_another_kind_does_not_hide_changes(value: object, copy: Path) -> None:
    with h5py.File(copy, "a") as file:
        file["train"].attrs["digest"] = value
        file["train/labels"][0] = 13 - file["train/labels"][0]
    with pytest.raises(UserError, match="the content of train has changed"):
        read_data(copy)


def test_a_changed_label_is_detected(copy: Path) -> None:
    with h5py.File(copy, "a") as file:
        file["train/labels"][0] = 13 - file["train/labels"][0]
    with pytest.raises(UserError, match="the content of train has changed"):
        read_data(copy)
    with h5py.File(copy, "a") as file:
        del file["train"].attrs["digest"]
    read_data(copy)


@pytest.mark.parametrize(
    "change", [lambda p: os.truncate(p, 9_000), lambda p: p.write_bytes(bytes(200_000)), Path.touch]
)
def test_changes_of_a_lazily_read_file_are_detected(change, copy: Path) -> None:
    clips = read_data(copy, memory_limit=0).splits["train"]
    in_worker = pickle.loads(pickle.dumps(clips))
    clips.clip(0)
    change(copy)
    for one in (clips, in_worker):
        with pytest.raises(UserError, match=r"x\.h5.* was changed"):
            one.clip(len(clips) - 1)


def test_replacing_a_lazily_read_file_does_not_affect_reading(copy: Path, jhmdb_like: Path) -> None:
    clips = read_data(copy, memory_limit=0).splits["train"]
    expected = clips.clip(1)
    shutil.copy(jhmdb_like, copy.with_name("new.h5"))
    copy.with_name("new.h5").replace(copy)
    np.testing.assert_array_equal(clips.clip(1), expected)


@pytest.mark.parametrize("value", [9.5e21, -3e7])
def test_implausible_coordinates_are_refused_with_their_location(value: float, copy: Path) -> None:
    with h5py.File(copy, "a") as file:
        file["train/keypoints"][5, 2, 1] = value
    with pytest.raises(UserError, match=r"split train: clip train0000, frame 5, joint 2 \(face\) is at"):
        read_data(copy)


def test_inspect_reports_whether_there_are_checksums(copy: Path) -> None:
    assert "checksums: all match" in in_process("mmn", "inspect", str(copy), "--verify", cwd=copy.parent).stdout
    with h5py.File(copy, "a") as file:
        for group in (file, *file.values()):
            del group.attrs["digest"]
    ended = in_process("mmn", "inspect", str(copy), cwd=copy.parent)
    assert (ended.returncode, "no checksums" in ended.stdout) == (0, True)
    ended = in_process("mmn", "inspect", str(copy), "--verify", cwd=copy.parent)
    assert (ended.returncode, "cannot be verified" in ended.stderr) == (1, True)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.h5")
    with pytest.raises(UserError, match=r"x\.h5"):
        read_data(tmp_path / "x.h5")


def scores(small: SkeletonData, **changes) -> Scores:
    logits = np.random.default_rng(0).normal(size=(3, 14)).astype(np.float32)
    return Scores(**{"names": ["a", "b", "c"], "labels": np.array([0, 1, -1]), "logits": logits,
                     "classes": small.classes, **changes})  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"logits": np.full((3, 14), np.nan, np.float32)}, "the scores of clip a are not finite numbers"),
        ({"labels": np.array([0, 14, 1])}, "clip b has label 14, outside 0…13"),
        ({"labels": np.array([0, -2, 1])}, "clip b has label -2"),
        ({"labels": np.array([0, 1])}, "for 3 clips"),
        ({"names": ["a", "b", "a"]}, "one of them twice"),
    ],
)
def test_invalid_scores_are_refused(changes, message, small, tmp_path: Path) -> None:
    write_scores(tmp_path / "s.h5", scores(small, **changes))
    with pytest.raises(UserError, match=message):
        read_scores(tmp_path / "s.h5")


def test_flipped_bits_in_scores_are_refused_or_harmless(small: SkeletonData, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    write_scores(path, scores(small))
    content, expected = path.read_bytes(), read_scores(path)
    for damaged in with_a_bit_flipped(content, 100, seed=1):
        path.write_bytes(damaged)
        try:
            found = read_scores(path)
        except UserError:
            continue
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert (found.names, found.classes, found.source) == (expected.names, expected.classes, expected.source)


def test_a_heap_that_would_make_hdf5_loop_forever_is_refused(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    place = content.index(b"GCOL") + 16
    content[place : place + 64] = bytes(64)
    copy.write_bytes(content)
    with pytest.raises(UserError, match="a list of names is damaged"):
        read_data(copy)


def test_a_name_with_a_declared_length_of_gigabytes_is_refused_before_reading(copy: Path) -> None:
    with h5py.File(copy) as file:
        place = file["train/names"].id.get_offset()
    content = bytearray(copy.read_bytes())
    content[place : place + 4] = b"\xff\xff\xff\xff"
    copy.write_bytes(content)
    with pytest.raises(UserError, match="texts that are longer than the file"):
        read_data(copy)


def test_an_attribute_with_a_declared_length_of_megabytes_is_refused_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["note"] = "x" * 4_321
    content = path.read_bytes()
    path.write_bytes(content.replace((4_321).to_bytes(4, "little"), (100_000_000).to_bytes(4, "little"), 1))
    with pytest.raises(UserError, match="texts that are longer than the file"), open_hdf5(path, "write it again"):
        pass
