"""Damaged, empty, huge and hostile recordings end in a one-line message, and finished results are kept."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import in_process

from mmn.data.format.skeletons import SkeletonData


class Evil:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("executed",)


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("clip.npy", "also.npy"):
            archive.writestr(name, npy(CLIP))
    return file.getvalue().replace(b"also", b"clip")


CLIP = np.random.default_rng(0).normal(size=(9, 15, 2)).astype(np.float32)
GOOD = npz(clip=CLIP)
FAR, NOWHERE = CLIP.copy(), np.full_like(CLIP, np.nan)
FAR[2, 3] = 1e30
LIES = npy(CLIP).replace(b"(9, 15, 2), }   ", b"(9, 15, 2000000)").replace(b"(9, 15, 2)", b"(99999999, 15, 2)", 1)

CONTENTS: dict[str, bytes] = {
    "empty.npz": b"",
    "text.npz": b"these are no arrays",
    "cut.npz": GOOD[: len(GOOD) // 2],
    "flipped.npz": GOOD[:200] + bytes(40) + GOOD[240:],
    "nothing.npz": npz(),
    "twice.npz": twice(),
    "objects.npz": npz(clip=np.array([Evil()], dtype=object)),
    "objects.npy": npy(np.array([Evil(), {}], dtype=object), allow_pickle=True),
    "lies.npy": LIES,
    "version.npy": b"\x93NUMPY\x09\x00" + npy(CLIP)[8:],
    "header.npy": npy(CLIP).replace(b"'fortran_order'", b"__import__('os')"),
    "frameless.npz": npz(clip=CLIP[:0]),
    "jointless.npz": npz(clip=CLIP[:, :0]),
    "flat.npz": npz(clip=CLIP[:, 0, 0]),
    "number.npz": npz(clip=np.float32(3)),
    "deep.npz": npz(clip=CLIP[None, None, None]),
    "words.npz": npz(clip=CLIP.astype(str)),
    "complex.npz": npz(clip=CLIP.astype(complex)),
    "dates.npz": npz(clip=np.zeros((9, 15, 2), "datetime64[s]")),
    "joints.npz": npz(clip=CLIP[:, :14]),
    "line.npz": npz(clip=CLIP[:, :, :1]),
    "space.npz": npz(clip=np.repeat(CLIP, 2, axis=2)[:, :, :3]),
    "many.npz": npz(clip=np.repeat(CLIP, 4, axis=2)),
    "missing.npz": npz(clip=NOWHERE),
    "far.npz": npz(clip=FAR),
    "control.npz": npz(**{"\x1b[2J": CLIP}),
    "lines.npz": npz(**{"a\nb": CLIP}),
    "mixed.npz": npz(a=CLIP, b=CLIP[:, :7]),
    "both.npz": npz(a=CLIP, b=np.repeat(CLIP, 2, axis=2)[:, :, :3]),
    "empty.json": b"",
    "text.json": b"no JSON",
    "cut.json": json.dumps(CLIP.tolist()).encode()[:500],
    "null.json": b"null",
    "list.json": b"[]",
    "object.json": b"{}",
    "seven.json": b"7",
    "word.json": b'"frames"',
    "nested.json": b"[" * 100_000,
    "digits.json": b"[" + b"9" * 10_000 + b"]",
    "utf16.json": '{"frames": []}'.encode("utf-16"),
    "latin.json": '{"größe": 1}'.encode("latin-1"),
    "keys.json": b'{"instance_info": 3, "meta_info": []}',
    "people.json": b'[{"image_id": "1.jpg", "keypoints": []}]',
    "points.json": json.dumps([{"image_id": "1.jpg", "keypoints": [1, 2, 0.5] * 5, "score": 1}]).encode(),
    "empty.pkl": b"",
    "cut.pkl": pickle.dumps({"annotations": [{"frame_dir": "a", "keypoint": CLIP[None]}]})[:-99],
    "evil.pkl": pickle.dumps(Evil()),
    "hidden.pkl": pickle.dumps({"annotations": [{"frame_dir": "a", "keypoint": Evil()}]}),
    "number.pkl": pickle.dumps(3),
    "dict.pkl": pickle.dumps({}),
    "huge.pkl": b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"x.",
    "protocol.pkl": b"\x80\xff.",
    "empty.csv": b"",
    "text.csv": b"a,b\n1,2\n",
    "empty.bvh": b"",
    "cut.bvh": b"HIERARCHY\nROOT Hips\n{\n  OFFSET 0 0 0\n",
    "empty.skeleton": b"",
    "frames.skeleton": b"99999999999\n1\n",
    "empty.txt": b"",
    "empty.h5": b"",
    "text.h5": b"no HDF5",
    "nothing.xyz": b"?",
}


def other_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)


def fifo(path: Path) -> None:
    os.mkfifo(path)


PLACES: dict[str, Callable[[Path], object]] = {
    "other.h5": other_h5,
    "folder.npz": Path.mkdir,
    "folder.h5": Path.mkdir,
    "dangling.npz": lambda path: path.symlink_to("nowhere.npz"),
    "loop.npz": lambda path: path.symlink_to(path),
    "zeros.npz": lambda path: path.symlink_to("/dev/zero"),
    "pipe.npz": fifo,
    "pipe.json": fifo,
    "pipe.h5": fifo,
    "absent.npz": lambda path: None,
}


@pytest.fixture(scope="module")
def alone(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of predictions for the valid recording alone."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "good.npz").write_bytes(npz(first=CLIP))
    in_process("mmn", "predict", str(small_checkpoint), "good.npz", "--output", "p.csv", cwd=folder)
    return (folder / "p.csv").read_text()


@pytest.mark.parametrize("name", [*CONTENTS, *PLACES])
def test_unusable_recordings_are_refused(
    name: str, alone: str, small: SkeletonData, small_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "good.npz").write_bytes(npz(first=CLIP))
    if name in PLACES:
        PLACES[name](tmp_path / name)
    else:
        (tmp_path / name).write_bytes(CONTENTS[name])
    done = in_process("mmn", "predict", str(small_checkpoint), "good.npz", name, "--output", "p.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert done.stderr.startswith("error: ")
    assert name in done.stderr
    assert (tmp_path / "p.csv").read_text() == alone
    assert not (tmp_path / "executed").exists()
