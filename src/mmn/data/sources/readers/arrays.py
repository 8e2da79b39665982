"""Reader of numpy arrays: an ``.npz`` file with one array per clip, a folder of ``.npy`` files, or one folder per clip.

An array is ``(frames, points, channels)``: joints in the layout's order, or the points of a pose estimator.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmn.data.sources.channels import split_channels
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.picture import are_normalised
from mmn.data.sources.points import BLAZEPOSE33, HOLISTIC
from mmn.data.sources.readers.files import recordings_of_files
from mmn.data.sources.recording import Recording
from mmn.errors import UserError
from mmn.outside import read_arrays

_MEDIAPIPE = {BLAZEPOSE33.size, *HOLISTIC}


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per array, named after its key, file or folder."""

    def read_file(name: str, path: Path) -> Iterator[Recording]:
        return _recordings(name, path, options.channels)

    suffixes = (source.suffix,) if source.is_file() else (".npy", ".npz")
    return Parsed("arrays", recordings_of_files(source, suffixes, read_file))


def load_numpy(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of an ``.npz`` file by key, or the single array of an ``.npy`` file under the file's stem.

    Raises:
        UserError: numpy cannot read the file, or it contains arrays of Python objects.
    """
    try:
        yield from read_arrays(path)
    except UserError as error:
        if "Python objects" not in str(error):
            raise
        raise UserError(
            f"{path} is an array of objects, probably clips of different lengths; save one clip per key, as in "
            "np.savez(file, **{name: clip, …})."
        ) from None


def _recordings(name: str, path: Path, channels: str | None) -> Iterator[Recording]:
    for key, array in load_numpy(path):
        clip = key if path.suffix == ".npz" else name
        where = f"{path}: {clip}"
        if array.ndim != 3 or array.dtype.kind not in "fiu":
            raise UserError(f"{where} is {array.dtype} of shape {array.shape}; {_what(array)}.")
        points, scores = split_channels(array, channels, where)
        recording = Recording.from_array(clip, points[None], None if scores is None else scores[None])
        yield recording.as_normalised() if array.shape[1] in _MEDIAPIPE and are_normalised(points) else recording


def _what(array: NDArray[Any]) -> str:
    if array.ndim == 5:
        return (
            "if it is (clips, channels, frames, joints, persons), as for ST-GCN, name it NAME_data.npy, with "
            "NAME_label.pkl beside it"
        )
    if array.ndim == 4:
        return "it may hold several persons or several clips; save one clip of one person per key"
    return "a clip is a numeric array (frames, joints, coordinates)"
