"""Pickles of arrays, read without executing any code in them."""

import io
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from mmn.errors import UserError


def _bytes(text: str, encoding: str) -> bytes:
    """Replaces ``codecs.encode``, which old pickle protocols use to write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding}, which arrays do not need")
    return text.encode("latin1")


# Globals used by pickles of numpy arrays; the module paths changed with numpy 2.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _bytes,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
}
# Default factories of a defaultdict; the module has another name in Python 2.
for _module in ("builtins", "__builtin__"):
    _ALLOWED |= {(_module, kind.__name__): kind for kind in (list, dict, set, int, float)}
for _package in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_package}.multiarray", "_reconstruct"] = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
    _ALLOWED[f"{_package}.multiarray", "scalar"] = np._core.multiarray.scalar  # type: ignore[attr-defined]
    _ALLOWED[f"{_package}.numeric", "_frombuffer"] = np._core.numeric._frombuffer  # type: ignore[attr-defined]


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can only build numpy arrays and plain containers, and never calls anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse everything but numpy's own constructors."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not data") from None


def unpickle(content: bytes, where: str) -> Any:
    """The content of a pickle embedded in a file.

    Raises:
        UserError: the pickle is damaged, or contains anything but arrays and plain containers.
    """
    try:
        return ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(f"{where} has a pickle that was refused ({error}); no code in it was executed.") from None


def read_pickle(path: Path) -> Any:
    """The content of a pickle file.

    Raises:
        UserError: the file is missing or damaged, or contains anything but arrays and plain containers.
    """
    try:
        with path.open("rb") as file:
            return ArrayUnpickler(file, encoding="latin1").load()  # as Python 2 wrote arrays
    except FileNotFoundError:
        raise UserError(
            f"there is no file {path}; both the _data and the _label pickle of a split are needed."
        ) from None
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} was refused: {error}; no code in it was executed.") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(f"{path} is not a readable pickle ({error}); download it again.") from None
