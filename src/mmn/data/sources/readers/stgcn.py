"""Reader of ST-GCN arrays: ``train_data.npy (N, C, T, V, M)``, with names and labels in ``train_label.pkl``.

The MiGA challenge distributes iMiGUE in this format. Clips are padded with zeros at the end. A third channel is taken
as the score if its values are in [0, 1].
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmn.data.format.skeletons import SPLITS
from mmn.data.sources.channels import split_channels
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.readers.files import files_below
from mmn.data.sources.readers.pickles import name_of, read_pickle
from mmn.data.sources.recording import Recording
from mmn.errors import UserError
from mmn.outside import open_array


def read(source: Path, options: ConvertOptions) -> Parsed:
    """The clips of each ``*data*.npy``; its split is the one in its name, otherwise test."""
    return Parsed("ST-GCN arrays", _recordings(source, options))


def is_stgcn(source: Path) -> bool:
    """Whether a file or folder is in this format, by file names and the number of axes."""
    paths = _data_files(source)
    return bool(paths) and all(_axes(path) == 5 for path in paths)


def _data_files(source: Path) -> list[Path]:
    return files_below(source, "*data*.npy") if source.is_dir() else [source] * (source.suffix == ".npy")


def _axes(path: Path) -> int:
    try:
        return open_array(path).ndim
    except UserError:
        return 0


def _recordings(source: Path, options: ConvertOptions) -> Iterator[Recording]:
    paths = _data_files(source)
    if not paths:
        raise UserError(f"{source} has no …_data.npy files; name ST-GCN's arrays train_data.npy, val_data.npy, ….")
    for path in paths:
        data = open_array(path)
        if data.ndim != 5:
            raise UserError(f"{path} has shape {data.shape}; expected (clips, channels, frames, joints, people).")
        split = next((s for s in SPLITS if s in path.stem.lower()), "test")
        names, labels = _labels(path, len(data))
        channels = options.channels or _channels(data)
        for clip, name, label in zip(data, names, labels, strict=True):
            points = np.moveaxis(np.asarray(clip), (3, 1, 2, 0), (0, 1, 2, 3))  # (M, T, V, C)
            points, scores = split_channels(points, channels, f"{path}: clip {name}")
            yield Recording.from_array(name, points, scores, label=label, split=split)


def _channels(data: np.ndarray) -> str | None:
    """``xys`` if the third channel of ``(N, C, T, V, M)`` is in [0, 1], ``xy`` if it is zero, else None."""
    if data.shape[1] != 3:
        return None
    low, high = data[:, 2].min(), data[:, 2].max()
    return "xy" if low == high == 0 else "xys" if low >= 0 and high <= 1 else None


def _labels(path: Path, count: int) -> tuple[list[str], list[int | None]]:
    """Names and labels from the label pickle; without one, numbered names and no labels."""
    file = path.with_name(path.name.replace("data", "label")).with_suffix(".pkl")
    if not file.exists():
        return [f"{path.stem.replace('_data', '')}{i:05d}" for i in range(count)], [None] * count
    content = read_pickle(file)
    try:
        names, labels = content
        found = [name_of(name, file) for name in names], [int(label) for label in labels]
    except (TypeError, ValueError):
        raise UserError(
            f"{file} is not a pair of names and labels, as needed for {path.name}; write it again."
        ) from None
    if len(found[0]) != count or len(found[1]) != count:
        raise UserError(
            f"{file} has {len(found[0])} names and {len(found[1])} labels for the {count} clips of {path.name}; "
            "give one of each per clip."
        )
    return found[0], list(found[1])
