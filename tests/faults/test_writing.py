"""Full disks, interrupts, and processes killed while writing."""

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mmn.data.format.classes import Classes
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, write_scores
from mmn.files import replacing, write_json
from mmn.hdf5.digest import digest
from mmn.hdf5.hashes import write_rows
from mmn.hdf5.writing import new_hdf5


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Simulate a full disk: writes beyond ``size`` bytes fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 1, 100, 2_000, 5_000, 20_000, 100_000, 200_000])
def test_a_full_disk_ends_in_an_error_and_leaves_no_file(size: int, small: SkeletonData, tmp_path: Path) -> None:
    logits = np.zeros((20_000, 14), np.float32)
    scores = Scores([f"clip{i}" for i in range(20_000)], np.zeros(20_000, np.int64), logits, small.classes)
    with no_file_larger_than(size):
        for write, content in ((write_data, small), (write_scores, scores)):
            with pytest.raises(UserError, match=r"no space left to write .*/x\.h5"):
                write(tmp_path / "x.h5", content)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_during_hdf5_writing_propagates(small: SkeletonData, tmp_path: Path, monkeypatch) -> None:
    class Interrupted(io.FileIO):
        writes = 0

        def write(self, data) -> int:
            self.writes += 1
            if self.writes == 3:
                raise KeyboardInterrupt
            return super().write(data)

    monkeypatch.setattr(Path, "open", lambda path, *_, **__: Interrupted(path, "r+"))
    with pytest.raises(KeyboardInterrupt):
        write_data(tmp_path / "x.h5", small)
    assert list(tmp_path.iterdir()) == []


def test_only_temporary_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from mmn.files import replacing\n"
        "with replacing(Path(sys.argv[1])): print('writing', flush=True); time.sleep(60)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / f"{i}.h5")], stdout=subprocess.PIPE)
        for i in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
    writers[0].kill()
    writers[0].wait()
    assert len(list(tmp_path.glob(".*.part"))) == 2
    (tmp_path / ".Holiday video.mkv.part").touch()  # another program's
    write_json(tmp_path / "any.json", {})
    assert sorted(part.name.split(".")[1] for part in tmp_path.glob(".*.part")) == ["1", "Holiday video"]
    writers[1].kill()
    writers[1].wait()


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_files_get_the_mode_of_the_umask(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_json(tmp_path / "x.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == mode


def test_a_file_is_flushed_before_it_replaces_another(tmp_path: Path, monkeypatch) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    with replacing(tmp_path / "x") as part:
        part.write_bytes(b"content")
    assert calls == ["fsync", "replace", "fsync"]


def test_non_finite_numbers_become_null_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": [float("nan"), 1.5, {"b": float("-inf")}]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [None, 1.5, {"b": None}]}


def test_40000_classes_survive_a_round_trip(small: SkeletonData, tmp_path: Path) -> None:
    clips = small.splits["val"]
    clips = replace(clips, labels=np.full(len(clips), 39_999))
    data = replace(small, classes=Classes([f"c{i}" for i in range(40_000)], [], []), splits={"val": clips})
    write_data(tmp_path / "x.h5", data)
    assert read_data(tmp_path / "x.h5").splits["val"].labels.tolist() == [39_999] * len(clips)


def test_group_digests_cover_everything_without_checksums(tmp_path: Path) -> None:
    with new_hdf5(tmp_path / "x.h5") as file:
        file.create_dataset("checked", data=np.arange(100), chunks=(10,), fletcher32=True)
        write_rows(file, "hashed", np.arange(300))
        file["plain"] = [1, 2]
        file.create_group("inner")["name"] = "ü"
    with h5py.File(tmp_path / "x.h5", "a") as file:
        before = digest(file), digest(file["inner"])
        assert before == (file.attrs["digest"], file["inner"].attrs["digest"])
        file["inner/name"][()] = "u"
        file["plain"][0] = 3
        assert (digest(file) == before[0], digest(file["inner"]) == before[1]) == (False, False)


def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="pipe is a device or pipe; give the path of a file"):
        write_json(pipe, {})
    assert pipe.is_fifo()
