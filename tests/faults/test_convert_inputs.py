"""Sources and labels that would take a conversion gigabytes, minutes, or out of its course."""

import io
import json
import os
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import in_process

from mmn import outside
from mmn.data.format.classes import Classes
from mmn.data.format.hdf5 import write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.sources import own_layout
from mmn.data.sources.convert import convert
from mmn.errors import UserError


def arrays(path: Path, shape: tuple[int, ...], dtype: str, times: int = 1) -> None:
    """The same zeros several times, compressed."""
    file = io.BytesIO()
    np.save(file, np.zeros(shape, dtype))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for clip in range(times):
            archive.writestr(f"clip{clip}.npy", file.getvalue())


def alphapose(path: Path, numbers: list[int]) -> None:
    """A person in each of the frames."""
    people = [{"image_id": f"{n}.jpg", "keypoints": [1.0] * 51, "idx": i} for i, n in enumerate(numbers)]
    path.write_text(json.dumps(people))


def brackets(path: Path) -> None:
    path.write_text("[" + "[]," * 9_999 + "[]]")


def bvh(path: Path, joints: int, channels: int) -> None:
    """A chain of joints, all but the first without channels."""
    names = [f"JOINT J{n} {{ OFFSET 0 1 0 CHANNELS {channels} {'Xrotation ' * channels}" for n in range(joints)]
    root = "ROOT R { OFFSET 0 0 0 CHANNELS 1 Xrotation "
    rows = "\n".join(["0 " * (1 + joints * channels)] * 3)
    path.write_text(f"HIERARCHY {root}{' '.join(names)}{'} ' * (joints + 1)}\nMOTION\nFrame Time: 0.1\n{rows}\n")


def sleap(path: Path, nodes: int) -> None:
    with h5py.File(path, "w") as file:
        file["tracks"] = np.random.default_rng(0).normal(size=(1, 2, nodes, 2))
        file["node_names"] = [f"node{n}".encode() for n in range(nodes)]


def sleap_of_bytes(path: Path) -> None:
    """Two hundred million numbers of one byte, compressed."""
    with h5py.File(path, "w") as file:
        options = {"chunks": (1, 2, 100, 100_000), "compression": "gzip"}
        tracks = file.create_dataset("tracks", (1, 2, 100, 1_000_000), "u1", **options)
        packed = zlib.compress(bytes(20_000_000))
        for start in range(0, 1_000_000, 100_000):
            tracks.id.write_direct_chunk((0, 0, 0, start), packed)
        file["node_names"] = [f"node{n}".encode() for n in range(100)]


SOURCES: dict[str, tuple[Callable[..., None], dict[str, Any], str]] = {
    "bytes.npz": (arrays, {"shape": (12_000, 15, 2), "dtype": "i1"}, "more numbers than a file of its size"),
    "several.npz": (arrays, {"shape": (3_000, 15, 2), "dtype": "f4", "times": 4}, "more numbers than a file of its"),
    "far.json": (alphapose, {"numbers": [0, 10**18, 2 * 10**18]}, "frame numbered 2000000000000000000"),
    "crowd.json": (alphapose, {"numbers": [1] * 501 + [2]}, "501 people in one frame"),
    "brackets.json": (brackets, {}, "10,001 lists and tables"),
    "still.bvh": (bvh, {"joints": 100, "channels": 0}, "truncated or not a BVH file"),
    "long.bvh": (bvh, {"joints": 1_000, "channels": 1}, "1,001 joints"),
    "bytes.h5": (sleap_of_bytes, {}, "in no known format"),
    "web.h5": (sleap, {"nodes": 1_001}, "1,001 joints"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_of_excessive_content_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_FREE_NUMBERS", 1 << 18)
    monkeypatch.setattr(outside, "_MOST_BRACKETS", 1 << 10)
    make, options, message = SOURCES[name]
    make(tmp_path / name, **options)
    start = time.process_time()
    with pytest.raises(UserError, match=message):
        convert(tmp_path / name, tmp_path / "x.h5", "auto" if name.endswith(("bvh", "h5")) else "jhmdb")
    assert time.process_time() - start < 5


def test_a_thousand_joints_are_read(tmp_path: Path) -> None:
    sleap(tmp_path / "x.h5", 1_000)
    assert convert(tmp_path / "x.h5", tmp_path / "y.h5", "auto").layout.num_joints == 1_000


def test_distances_of_many_joints_are_measured_in_few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_layout, "_MOST_DISTANCES", 200_000)
    points = np.random.default_rng(0).normal(size=(999, 50, 2)).astype(np.float32)
    tracemalloc.start()
    layout = own_layout.own_layout([f"node{n}" for n in range(50)], (), points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(layout.bones), peak < 20e6) == (49, True)


@pytest.mark.parametrize("option", ["labels", "classes"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zeros"])
def test_labels_and_classes_must_be_regular_files(option: str, make: Callable, tmp_path: Path) -> None:
    np.savez(tmp_path / "clips.npz", clip=np.random.default_rng(0).normal(size=(9, 15, 2)))
    make(tmp_path / "list.csv")
    with pytest.raises(UserError, match=r"list\.csv is not a file"):
        convert(tmp_path / "clips.npz", tmp_path / "x.h5", "jhmdb", **{option: tmp_path / "list.csv"})


@pytest.mark.parametrize("end", ["nan", "1e309", "inf"])
def test_segments_end_at_a_finite_time(end: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "clips.npz", clip=np.random.default_rng(0).normal(size=(9, 15, 2)))
    (tmp_path / "segments.csv").write_text(f"name,start,end,label\nclip,0,{end},0\n")
    with pytest.raises(UserError, match=r"line 2: start '0' or end .* is not a number"):
        convert(tmp_path / "clips.npz", tmp_path / "x.h5", "jhmdb", labels=tmp_path / "segments.csv")


def test_a_format_of_dots_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "clips.npz", clip=np.zeros((9, 15, 2)))
    with pytest.raises(UserError, match=r"format \.\.x cannot be loaded"):
        convert(tmp_path / "clips.npz", tmp_path / "x.h5", "jhmdb", format="..x")


def test_many_classes_are_listed_quickly(small: SkeletonData, tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(20_000)]
    write_data(tmp_path / "x.h5", replace(small, classes=Classes(names, [], [])))
    start = time.process_time()
    ended = in_process("mmn", "inspect", "x.h5", cwd=tmp_path)
    assert time.process_time() - start < 3
    assert "\n19999  class 19999  0" in ended.stdout
