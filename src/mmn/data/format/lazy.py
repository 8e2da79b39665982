"""Arrays that stay in their HDF5 file until a slice of them is asked for."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


class LazyArray:
    """Reads slices of one HDF5 data set; the file is opened once a process, never shared across a fork.

    Args:
        path: the file.
        name: the data set in it.
        shape: its shape.
        dtype: what slices are returned as.
    """

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self.path, self.name, self.shape, self.dtype = path, name, shape, np.dtype(dtype)
        self.ndim, self.size = len(shape), int(np.prod(shape))
        self._opened: tuple[int, h5py.Dataset] | None = None  # process and data set

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), h5py.File(self.path, "r")[self.name]
        return np.asarray(self._opened[1][index], self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[()] if dtype is None else self[()].astype(dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}
