"""Pickles of arrays, read without executing any code in them."""

import io
import pickle
import re
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import IO, Any

import numpy as np

from mmn.data.sources.readers.repeats import weigh
from mmn.errors import UserError
from mmn.outside import from_outside, memory_for

_SIMPLE_TYPE = re.compile(r"[<>=|]?[a-zA-Z]\d{0,9}")


class _Array(np.ndarray):
    """An array whose content is counted before it is set; a pickle may set the same content many times."""

    count: Callable[[Sized], None]

    def __setstate__(self, state: Any) -> None:
        self.count(state[-1])
        super().__setstate__(state)


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can only build numpy arrays and plain containers, and never calls anything else.

    What a pickle builds may take no more memory than a file of its size should; content that it refers to several
    times counts each time.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")  # as Python 2 wrote arrays
        self.room = memory_for(file.seek(0, io.SEEK_END))
        file.seek(0)
        # Globals used by pickles of numpy arrays; the module paths changed with numpy 2.
        self.allowed: dict[tuple[str, str], Any] = {
            ("numpy", "ndarray"): None,  # an argument, never called
            ("numpy", "dtype"): _dtype,
            ("_codecs", "encode"): self._encode,
            ("collections", "OrderedDict"): self._dict,
            ("collections", "defaultdict"): lambda factory: {},
        }
        # Default factories of a defaultdict, and sets; the module has another name in Python 2.
        for module in ("builtins", "__builtin__"):
            self.allowed |= {(module, kind): None for kind in ("list", "dict", "int", "float")}
            self.allowed[module, "set"] = lambda values: values
        for package in ("numpy.core", "numpy._core"):
            self.allowed[f"{package}.multiarray", "_reconstruct"] = self._array
            self.allowed[f"{package}.multiarray", "scalar"] = self._scalar
            self.allowed[f"{package}.numeric", "_frombuffer"] = np._core.numeric._frombuffer  # type: ignore[attr-defined]

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything but the constructors of arrays and containers."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not data") from None

    def load(self) -> Any:
        """The content.

        Raises:
            pickle.UnpicklingError: it is not data, or refers to its parts so often that it exceeds its memory.
        """
        content = super().load()
        weigh(content, self.room)
        return content

    def _count(self, content: Sized, each: int = 1) -> None:
        self.room -= len(content) * each
        if self.room < 0:
            raise pickle.UnpicklingError("it repeats its content to an excessive size")

    def _encode(self, text: str, encoding: str) -> bytes:
        """Replaces ``codecs.encode``, which old pickle protocols use to write bytes."""
        self._count(text)
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"it encodes text as {encoding}, which arrays do not need")
        return text.encode("latin1")

    def _dict(self, pairs: Sequence[Any] = ()) -> dict[Any, Any]:
        self._count(pairs, each=100)
        return dict(pairs)

    def _array(self, kind: None, shape: Any, dtype: Any) -> np.ndarray:
        """Replaces numpy's ``_reconstruct``: an empty array, which is then set."""
        array = _Array(0, np.int8)
        array.count = self._count
        return array

    def _scalar(self, dtype: np.dtype, content: Any) -> Any:
        """Replaces numpy's ``scalar``, which makes up what ``content`` lacks."""
        if dtype.hasobject:
            return content
        self._count(content)
        if len(content) != dtype.itemsize:
            raise pickle.UnpicklingError(f"it has {len(content)} bytes for a number of type {dtype}")
        return np._core.multiarray.scalar(dtype, content)  # type: ignore[attr-defined]


def _dtype(name: str, *options: bool) -> np.dtype:
    """Replaces ``np.dtype``, which may make types of any size and structure."""
    if not _SIMPLE_TYPE.fullmatch(name):
        raise pickle.UnpicklingError(f"it has values of type {name[:20]}")
    return np.dtype(name, copy=True)  # the byte order is set afterwards


def unpickle(content: bytes, where: str) -> Any:
    """The content of a pickle embedded in a file.

    Raises:
        UserError: the pickle is damaged, or contains anything but arrays and plain containers.
    """
    try:
        return ArrayUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(f"{where} has a pickle that was refused ({error}); no code in it was executed.") from None


def read_pickle(path: Path) -> Any:
    """The content of a pickle file.

    Raises:
        UserError: the file is missing or damaged, or contains anything but arrays and plain containers.
    """
    if not path.exists():
        raise UserError(f"there is no file {path}; both the _data and the _label pickle of a split are needed.")
    with from_outside(path, "pickle", "download it again"), path.open("rb") as file:
        try:
            return ArrayUnpickler(file).load()
        except pickle.UnpicklingError as error:
            raise UserError(f"{path} was refused: {error}; no code in it was executed.") from None


def name_of(value: Any, where: Path | str) -> str:
    """The name of a clip.

    Raises:
        UserError: it is neither text nor a number.
    """
    if not isinstance(value, str | int | np.integer):
        raise UserError(f"{where} has a {type(value).__name__} for the name of a clip; name each by text or a number.")
    return str(value)
