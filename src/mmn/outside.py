"""Reading of untrusted files: reads are bounded, and every failure becomes a one-sentence error naming the file."""

import json
import math
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.text import plain

LARGEST_TEXT = 1 << 30
"""Largest text file that is read, in bytes."""

_FREE_NUMBERS = 1 << 25  # in arrays, besides one for each byte of the file; a conversion takes some 20 bytes for each
_MOST_BRACKETS = 1 << 23
_MOST_YAML = 1_000_000
_DEEPEST_YAML = 100
_LONGEST_SCALAR = 4_300  # characters; Python itself reads no longer number


@contextmanager
def from_outside(path: Path, kind: str, advice: str = "get it again") -> Iterator[None]:
    """Report any failure while reading the content of ``path`` as a fault of that file.

    Args:
        path: the file.
        kind: expected kind of file, such as ``"JSON file"``.
        advice: what the error message suggests.

    Raises:
        UserError: anything fails inside the block, or ``path`` is missing or not a regular file.
    """
    with blamed(path, kind, advice):
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path} is not a file; give a {kind}.")
        yield


@contextmanager
def blamed(path: Path, kind: str, advice: str = "get it again") -> Iterator[None]:
    """Report any failure inside the block as a fault of ``path``, a file or a folder.

    Raises:
        UserError: instead of any other exception.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no file {path}; give a {kind}.") from None
    except MemoryError:
        raise UserError(f"{path} needs more memory than is available; {advice}.") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply; {advice}.") from None
    except Exception as error:  # a damaged file can raise nearly anything
        raise UserError(f"{path} is not a readable {kind} ({reason(error)}); {advice}.") from error


def reason(error: Exception) -> str:
    """An exception's message on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = plain(str(error)).strip() or type(error).__name__
    return text.rstrip(".")[:200]


def memory_for(size: int) -> int:
    """Maximum bytes that a file of ``size`` bytes may unpack to; stronger compression is treated as an attack."""
    return 2 * size + (1 << 30)


def read_bytes(path: Path, kind: str = "file", limit: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file of at most ``limit`` bytes.

    Raises:
        UserError: the file is missing, larger, or cannot be read.
    """
    with from_outside(path, kind), path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UserError(f"{path} is larger than the {limit:,} bytes that a {kind} may have; give a smaller one.")
    return content


def read_text(path: Path, kind: str = "text file", limit: int = LARGEST_TEXT) -> str:
    """The text of a UTF-8 file without its byte order mark, newlines unchanged."""
    content = read_bytes(path, kind, limit)
    with from_outside(path, kind, "save it as UTF-8"):
        return content.decode("utf-8-sig")


def read_json(path: Path, kind: str = "JSON file") -> Any:
    """The content of a JSON file."""
    text = read_text(path, kind)
    with from_outside(path, kind):
        check_brackets(text)
        return json.loads(text)


def check_brackets(text: str) -> None:
    """Refuse JSON that takes far more memory than its text: each pair of brackets takes 64 bytes.

    Raises:
        ValueError: there are too many.
    """
    if (count := text.count("[") + text.count("{")) > _MOST_BRACKETS + len(text) // 10:
        raise ValueError(f"it has {count:,} lists and tables with next to nothing in them")


def read_yaml(path: Path, kind: str = "YAML file") -> Any:
    """The content of a YAML file; aliases that expand to an excessive size are refused."""
    text = read_text(path, kind, 1 << 24)
    with from_outside(path, kind):
        return parse_yaml(text)


def read_arrays(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of an ``.npz`` file by key, or the single array of an ``.npy`` file under the file's stem.

    Raises:
        UserError: numpy cannot read the file, it contains Python objects, or it declares more data than it holds.
    """
    with from_outside(path, "array file", "save it with numpy"):
        size = path.stat().st_size
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                yield path.stem, _read_array(file, size, size + _FREE_NUMBERS)
            return
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > memory_for(size):
                raise ValueError("it unpacks to more than a file of its size should")
            numbers = size + _FREE_NUMBERS
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    array = _read_array(file, entry.file_size, numbers)
                numbers -= array.size
                yield entry.filename.removesuffix(".npy"), array


def open_array(path: Path) -> NDArray[Any]:
    """The array of an ``.npy`` file, memory-mapped.

    Raises:
        UserError: numpy cannot read the file, it contains Python objects, or the array is larger than the file.
    """
    with from_outside(path, "array file", "save it with numpy"):
        return np.lib.format.open_memmap(path, mode="r")


def _read_array(file: IO[bytes], size: int, numbers: int) -> NDArray[Any]:
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"its header declares {shape} numbers, more than it holds")
    if math.prod(shape) > numbers:
        raise ValueError("it unpacks to more numbers than a file of its size should")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def parse_yaml(text: str) -> Any:
    """Parse YAML.

    Raises:
        ValueError: it is too long or nested too deeply, or aliases expand it to an excessive size.
        yaml.YAMLError: it is not valid YAML.
    """
    safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _check_events(yaml.parse(text, safe))
    loader = safe(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _expanded(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_events(events: Iterable[yaml.Event]) -> None:
    """Refuse what would exhaust the memory, time, or stack of the next step, which builds nodes recursively."""
    depth = 0
    for number, event in enumerate(events):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST_YAML:
            raise ValueError(f"it is nested more than {_DEEPEST_YAML} deep")
        if number > _MOST_YAML:
            raise ValueError(f"it has more than {_MOST_YAML:,} values")
        if isinstance(event, yaml.ScalarEvent):
            may_be_number = event.tag is not None or event.implicit[0]  # which would take quadratic time
            if may_be_number and len(event.value) > _LONGEST_SCALAR:
                raise ValueError(f"it has a value of {len(event.value):,} characters without quotes")


def _expanded(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The size of a node's tree, counting aliases each time they are used."""
    if id(node) not in sizes:
        sizes[id(node)] = _MOST_YAML  # in case it contains itself
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        nodes = [part for one in below for part in (one if isinstance(one, tuple) else (one,))]
        sizes[id(node)] = 1 + sum(_expanded(one, sizes) for one in nodes)
        if sizes[id(node)] > _MOST_YAML:
            raise ValueError("its aliases expand to an excessive size")
    return sizes[id(node)]
