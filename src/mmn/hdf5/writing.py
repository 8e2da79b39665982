"""Writing of HDF5 files, completely or not at all, even on a full disk."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from mmn.files import replacing
from mmn.hdf5.digest import DIGEST, digest

CHECKED: dict[str, Any] = {"chunks": True, "fletcher32": True}
"""Options of a large data set: each chunk has a checksum, so the group's digest skips it."""


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file, completely or not at all, with a digest in each of its groups.

    Raises:
        UserError: the path cannot be written to, or the disk is full.
    """
    with replacing(path) as part, part.open("r+b", buffering=0) as raw:
        scratch = _Scratch(raw)
        try:
            # Since version 1.10 the file's own structures have checksums.
            with h5py.File(scratch, "w", libver=("v110", "v110")) as file:
                yield file
                for group in [file, *(item for item in file.values() if isinstance(item, h5py.Group))]:
                    group.attrs[DIGEST] = digest(group)
        finally:
            if scratch.failure is not None:
                raise scratch.failure


class _Scratch(io.RawIOBase):
    """A file that hides failures from HDF5, which aborts the process if it cannot flush; the first failure is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.failure = file, None  # type: BinaryIO, BaseException | None

    def write(self, data: Any) -> int:
        """Write all of ``data``; after a failure, nothing."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while self.failure is None and len(left):
                left = left[self.file.write(left) :]
        except BaseException as error:  # including an interrupt
            self.failure = error
        return size

    def readinto(self, buffer: Any) -> int:
        """Read back; zeros where nothing was written."""
        found = self.file.readinto(buffer) or 0  # type: ignore[attr-defined]
        memoryview(buffer).cast("B")[found:] = bytes(len(buffer) - found)
        return len(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the size, unless a write has failed."""
        try:
            return self.file.truncate(size) if self.failure is None else 0
        except OSError as error:
            self.failure = error
            return 0

    def flush(self) -> None:
        """Do nothing: there is no buffer."""
