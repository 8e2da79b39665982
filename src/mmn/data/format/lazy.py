"""Arrays that stay in their HDF5 file until a slice is read."""

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.hdf5.hashes import hashes_of, read_rows
from mmn.hdf5.reading import state

log = logging.getLogger(__name__)


class LazyArray:
    """An array that is read by slices of its first axis.

    Args:
        shape: its shape.
        dtype: dtype of returned slices.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.ndim, self.size = len(shape), int(np.prod(shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return self.read(start, max(start, stop))
        return self.read(index, index + 1)[0]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop``."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.read(0, len(self))
        return whole if dtype is None else whole.astype(dtype)


class LazyDataset(LazyArray):
    """One HDF5 data set; the file is opened once per process, never shared across a fork.

    Args:
        dataset: a data set of an open, checked file.
        path: the file.
        dtype: dtype of returned slices.
    """

    def __init__(self, dataset: h5py.Dataset, path: Path, dtype: Any) -> None:
        super().__init__(dataset.shape, dtype)
        self.path, self.name, self.state = path, dataset.name, state(dataset.file)
        self.hashes = hashes_of(dataset)
        self._opened: tuple[int, h5py.Dataset] | None = None  # process and data set

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop``, read from the file.

        Raises:
            UserError: the file has changed since it was checked, or is damaged.
        """
        try:
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = os.getpid(), h5py.File(self.path, "r")[self.name]
            found = np.asarray(read_rows(self._opened[1], self.hashes, start, stop), self.dtype)
            unchanged = state(self._opened[1].file) == self.state
        except (OSError, KeyError, RuntimeError):
            raise UserError(
                f"{self.path}: {self.name.strip('/')} cannot be read at frames {start} to {stop}: the file is damaged "
                "or was changed after it was opened; get it again, and resume an interrupted run with resume=true."
            ) from None
        if not unchanged:
            raise UserError(f"{self.path} was changed while it was read; restore it, and resume with resume=true.")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


Frames = LazyArray | NDArray[Any]


def log_lazy_reading(arrays: Iterable[Frames], path: Path, limit_gb: float) -> None:
    """Say that arrays of a file, if any, are read from it batch by batch, as they take more than ``limit_gb``."""
    lazy = [4 * array.size for array in arrays if isinstance(array, LazyArray)]
    if lazy:
        text = "%s takes %.3g GB, more than data.memory_limit_gb=%g, and is read from the file batch by batch"
        log.info(text, path, sum(lazy) / 1e9, limit_gb)


class LazySpans(LazyArray):
    """Spans of rows of several arrays as one concatenated array.

    Args:
        arrays: the sources, of equal shape except for their length.
        source: index of each span's array ``(N,)``.
        starts: each span's first row in it ``(N,)``.
        lengths: each span's number of rows ``(N,)``.
    """

    def __init__(
        self, arrays: Sequence[Frames], source: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> None:
        self.ends = np.cumsum(lengths)
        super().__init__((int(lengths.sum()), *arrays[0].shape[1:]), arrays[0].dtype)
        self.arrays, self.source, self.starts, self.lengths = list(arrays), source, starts, lengths

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop``, read from each span they overlap."""
        pieces = [np.empty((0, *self.shape[1:]), self.dtype)]
        span = int(np.searchsorted(self.ends, start, side="right"))
        while start < stop:
            upto = min(stop, int(self.ends[span]))
            offset = int(self.starts[span] - (self.ends[span] - self.lengths[span]))
            pieces.append(np.asarray(self.arrays[self.source[span]][start + offset : upto + offset]))
            start, span = upto, span + 1
        return np.concatenate(pieces)


class LazyColumns(LazyArray):
    """Selected columns (second axis) of a lazy array.

    Args:
        array: the array.
        columns: their indices, in order.
    """

    def __init__(self, array: LazyArray, columns: Sequence[int]) -> None:
        super().__init__((array.shape[0], len(columns), *array.shape[2:]), array.dtype)
        self.array, self.columns = array, list(columns)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop``."""
        return np.ascontiguousarray(self.array.read(start, stop)[:, self.columns])
