"""Pickles that are small in the file and large in memory, or contain what was in memory before."""

import io
import pickle
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmn.data.sources.options import ConvertOptions
from mmn.data.sources.readers.pickles import ArrayUnpickler, read_pickle
from mmn.data.sources.readers.pyskl import read
from mmn.errors import UserError
from mmn.evaluation.foreign_files import _storage, read_rows


def nested(depth: int, width: int) -> list[Any]:
    """Lists of the same list."""
    value: list[Any] = [1.0] * width
    for _ in range(depth - 1):
        value = [value] * width
    return value


def in_an_array(value: Any) -> np.ndarray:
    array = np.empty(1, object)
    array[0] = value
    return array


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


NUMBERS = np.zeros(1_000_000, ">f8")
TENSOR = pickle.dumps({"scores": torch.zeros(3, 3)})
REFUSED = {
    "lists of lists": (pickle.dumps(nested(4, 200)), "repeats its content"),
    "a list in itself": (pickle.dumps(cycle()), "repeats its content"),
    "one array many times": (pickle.dumps([NUMBERS] * 200), "repeats its content"),
    "objects in an array": (pickle.dumps(in_an_array(nested(4, 200))), "repeats its content"),
    "a number of a million digits": (
        b"\x80\x02\x8b" + (400_000).to_bytes(4, "little") + b"\x7f" * 400_000 + b".",
        "bits",
    ),
    "uninitialised memory": (b"\x80\x02cnumpy\nndarray\n((I6000\nI6000\nttR.", "not callable"),
    "a structured type": (pickle.dumps(np.zeros(3, [("a", "f8"), ("b", "i4")])), "values of type"),
    "a type of gigabytes": (b"\x80\x02cnumpy\ndtype\n(V(999999999,)f8\ntR.", "values of type"),
    "half a number": (
        pickle.dumps(np.float64(0.1), 3).replace(np.float64(0.1).tobytes(), b"1234").replace(b"C\x08", b"C\x04"),
        "4 bytes for a number",
    ),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_pickles_of_excessive_content_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    start = time.process_time()
    with pytest.raises(UserError, match=rf"x\.pkl.*{message}"):
        read_pickle(path)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TENSOR.replace(b"K\x03K\x03\x86", b"K\xffK\xff\x86"), "larger than its content"),
        (pickle.dumps({"scores": torch.zeros(1).expand(2_000, 1_000)}), "larger than its content"),
        (pickle.dumps({(1, 2): np.zeros(3)}), "a tuple for the name of a clip"),
        (pickle.dumps({"scores": np.zeros((1, 3)), "names": nested(7, 10)}), "a list for the name of a clip"),
    ],
)
def test_hostile_scores_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.pkl.*{message}"):
        read_rows(path)


def test_a_clip_is_named_by_text_or_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    annotation = {"frame_dir": nested(7, 10), "label": 0, "keypoint": np.zeros((1, 9, 15, 2))}
    path.write_bytes(pickle.dumps({"annotations": [annotation], "split": {"train": ["a"]}}))
    with pytest.raises(UserError, match="annotation 0 has a list for the name of a clip"):
        read(path, ConvertOptions())


@pytest.mark.parametrize(
    "copy",
    [
        lambda it: it.allowed["_codecs", "encode"]("x" * 20, "latin1"),
        lambda it: it.allowed["collections", "OrderedDict"]([("a", 1)]),
        lambda it: it.allowed["numpy._core.multiarray", "scalar"](np.dtype("S20"), b"x" * 20),
        lambda it: it.allowed["numpy._core.multiarray", "_reconstruct"](None, (0,), b"b").__setstate__(
            (1, (20,), np.dtype("u1"), False, b"x" * 20)
        ),
    ],
)
def test_what_a_pickle_copies_is_counted(copy: Callable[[ArrayUnpickler], Any]) -> None:
    unpickler = ArrayUnpickler(io.BytesIO(b"N."))
    copy(unpickler)
    unpickler.room = 19
    with pytest.raises(pickle.UnpicklingError, match="repeats its content"):
        copy(unpickler)


def test_tensors_in_archives_are_refused() -> None:
    file = io.BytesIO()
    torch.save(torch.zeros(3), file)
    with pytest.raises(pickle.UnpicklingError, match="zip archive"):
        _storage(file.getvalue())


@pytest.mark.parametrize("protocol", range(6))
def test_honest_pickles_are_read(protocol: int, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(2, 3))
    table = defaultdict(list, a=[np.float32(3), np.int64(-1), True, None, 2**40, "ü"])
    content = [numbers, numbers.astype(">f2").T, np.array(["a", "bc"]), np.array(["a", 3], object), table]
    content += [OrderedDict(a=(1, 2)), {1, 2}, [[0.5] * 4] * 3]
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    found = read_pickle(path)
    for expected, value in zip(content[:4], found[:4], strict=True):
        np.testing.assert_array_equal(value, expected)
        assert value.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    assert found[4:6] == content[4:6]
    assert list(found[6]) == [1, 2]
    assert found[7] == content[7]
