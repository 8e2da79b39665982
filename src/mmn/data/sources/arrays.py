"""Reader of numpy arrays: an ``.npz`` file with an array a clip, or a folder of ``.npy`` files, a clip each.

An array is ``(frames, joints, coordinates)`` in the layout's order; NaN where a joint is missing.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.labels import split_clips
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError


def read(source: Path, request: Request) -> Source:
    """Every array, named by its key or its file."""
    arrays = load_arrays(source)
    return Source("arrays", split_clips(arrays, request.labels, request.classes))


def load_arrays(source: Path) -> dict[str, NDArray[np.floating]]:
    """Name → ``(T, V, C)``.

    Raises:
        UserError: nothing to read, or arrays that are no clips.
    """
    paths = sorted(source.glob("*.npy")) if source.is_dir() else [source]
    arrays: dict[str, NDArray[np.floating]] = {}
    for path in paths:
        try:
            content = np.load(path, allow_pickle=False)
            found = {path.stem: content} if isinstance(content, np.ndarray) else dict(content)
        except (OSError, ValueError, EOFError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path} is not a readable array file ({reason}); save it with numpy.") from None
        for name, array in found.items():
            if array.ndim != 3 or array.dtype.kind not in "fiu":
                raise UserError(
                    f"{path}: {name} is {array.dtype} of shape {array.shape}; a clip is numbers of shape "
                    "(frames, joints, coordinates)."
                )
            arrays[name] = array
    if not arrays:
        raise UserError(f"{source} holds no arrays; it has to be an .npz file or a folder of .npy files.")
    return arrays
