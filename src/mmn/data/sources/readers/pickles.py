"""Pickles of arrays, read without executing anything in them."""

import io
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from mmn.errors import UserError


def _bytes(text: str, encoding: str) -> bytes:
    """Stands in for ``codecs.encode``, by which old pickle protocols spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding}, which no array needs")
    return text.encode("latin1")


# What a pickle of numpy arrays names; the module paths changed with numpy 2.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _bytes,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
}
# What a defaultdict names as its default; Python 2 calls the module otherwise.
for _module in ("builtins", "__builtin__"):
    _ALLOWED |= {(_module, kind.__name__): kind for kind in (list, dict, set, int, float)}
for _package in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_package}.multiarray", "_reconstruct"] = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    _ALLOWED[f"{_package}.multiarray", "scalar"] = np._core.multiarray.scalar  # type: ignore[attr-defined]
    _ALLOWED[f"{_package}.numeric", "_frombuffer"] = np._core.numeric._frombuffer  # type: ignore[attr-defined]


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can only build numpy arrays and plain containers; it never runs what a file names."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything but numpy's own constructors."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not data") from None


def unpickle(content: bytes, where: str) -> Any:
    """What a pickle of names or arrays inside a file holds.

    Raises:
        UserError: one that names anything but arrays and plain containers, or is damaged.
    """
    try:
        return ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(f"{where} has a pickle that was refused ({error}); nothing of it was executed.") from None


def read_pickle(path: Path) -> Any:
    """The content of one pickle.

    Raises:
        UserError: a file that is missing, damaged, or holds anything but arrays and plain containers.
    """
    try:
        with path.open("rb") as file:
            return ArrayUnpickler(file, encoding="latin1").load()  # as Python 2 wrote arrays
    except FileNotFoundError:
        raise UserError(
            f"there is no file {path}; both the _data and the _label pickle of a split are needed."
        ) from None
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} was refused: {error}; nothing of it was executed.") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(f"{path} is not a readable pickle ({error}); get it again.") from None
