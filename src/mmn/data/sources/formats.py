"""The supported formats, and detection of a source's format."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from mmn.data.sources.labels.table import read_table
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.readers import (
    alphapose,
    arrays,
    bvh,
    c3d,
    deeplabcut,
    kinetics,
    mediapipe,
    mmpose,
    ntu_arrays,
    ntu_skeleton,
    official,
    openpose,
    pyskl,
    sleap,
    stgcn,
    yolo,
)
from mmn.data.sources.readers.files import files_below, first_content
from mmn.errors import UserError

Reader = Callable[[Path, ConvertOptions], Parsed]

READERS: dict[str, Reader] = {
    "mmn": official.read,
    "pyskl": pyskl.read,
    "alphapose": alphapose.read,
    "openpose": openpose.read,
    "mmpose": mmpose.read,
    "wholebody": mmpose.read,
    "yolo": yolo.read,
    "mediapipe": mediapipe.read,
    "stgcn": stgcn.read,
    "kinetics": kinetics.read,
    "ntu": ntu_skeleton.read,
    "ntu-arrays": ntu_arrays.read,
    "bvh": bvh.read,
    "c3d": c3d.read,
    "deeplabcut": deeplabcut.read,
    "sleap": sleap.read,
    "arrays": arrays.read,
}
"""Format → reader; ``wholebody`` is an alias of ``mmpose``."""

_JSON = {
    "alphapose": alphapose.is_alphapose,
    "openpose": openpose.is_openpose,
    "mmpose": mmpose.is_mmpose,
    "kinetics": kinetics.is_kinetics,
    "yolo": yolo.is_yolo,
    "mediapipe": mediapipe.is_mediapipe,
}
_PICTURES = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".jpg", ".jpeg", ".png"}
_ONE_KIND = {".skeleton": "ntu", ".bvh": "bvh", ".c3d": "c3d", ".pkl": "pyskl", ".pickle": "pyskl"}
_SUFFIXES = {".json", ".jsonl", ".npy", ".npz", ".h5", ".csv", ".txt", *_ONE_KIND}


def reader_of(name: str) -> Reader:
    """The reader of a format, or a reader of your own given as ``module.function``.

    Raises:
        UserError: the name is neither.
    """
    if name in READERS:
        return READERS[name]
    module, dot, function = name.rpartition(".")
    try:
        found = getattr(import_module(module), function) if dot else None
    except Exception as error:  # whatever the module raises
        raise UserError(
            f"format {name} cannot be loaded ({error}); give module.function, with its folder on PYTHONPATH."
        ) from None
    if not callable(found):
        raise UserError(f"unknown format {name!r}; choose one of {', '.join(READERS)}, or give module.function.")
    return found


def recognise(source: Path) -> str:
    """Detect the format of a file or folder from its file names and its first non-empty file.

    Raises:
        UserError: the source does not exist, or its format is unknown.
    """
    if not source.exists():
        raise UserError(f"{source} does not exist; give a file of poses, or a folder of such files.")
    if (source.is_dir() and files_below(source, "*_data.pkl")) or official.split_of(source):
        return "mmn"
    if stgcn.is_stgcn(source):
        return "stgcn"
    files = _files(source)
    first = {path.suffix: path for path in reversed(files)}  # suffix → first file
    suffixes = set(first)
    if suffixes & {".json", ".jsonl"}:
        content = first_content(source)
        for name, fits in _JSON.items():
            if fits(content):
                return name
        raise UserError(f"{source}: {_describe(content)}; give --format {'|'.join(READERS)}.")
    if suffixes & {".npy", ".npz"}:
        return "ntu-arrays" if source.is_file() and ntu_arrays.is_ntu_arrays(source) else "arrays"
    for suffix, name in _ONE_KIND.items():
        if suffix in suffixes:
            return name
    for suffix in (".h5", ".csv"):
        if suffix in suffixes and (name := _tables(first[suffix])):
            return name
    if ".txt" in suffixes and yolo.is_yolo_text(first[".txt"]):
        return "yolo"
    if {suffix.lower() for suffix in suffixes} & _PICTURES:
        raise UserError(f"{source} contains pictures or videos; run a pose estimator on them and give its results.")
    if capitals := sorted(suffix for suffix in suffixes if suffix != suffix.lower() and suffix.lower() in _SUFFIXES):
        raise UserError(f"{source} has {capitals[0]} files; rename them to {capitals[0].lower()}.")
    found = f" (it has {', '.join(sorted(suffixes))} files)" if any(suffixes) else ""
    raise UserError(f"{source} is in no known format{found}; give --format {'|'.join(READERS)}.")


def _tables(path: Path) -> str:
    """The format of an HDF5 or CSV file; empty if unknown."""
    if sleap.is_sleap(path):
        return "sleap"
    if deeplabcut.is_deeplabcut(path):
        return "deeplabcut"
    if path.suffix == ".csv" and (rows := read_table(path, ())) and mediapipe.is_mediapipe_table(list(rows[0][1])):
        return "mediapipe"
    return ""


def _files(source: Path) -> list[Path]:
    depths = ("*", "*/*", "*/*/*")
    return [source] if source.is_file() else [path for depth in depths for path in files_below(source, depth)]


def _describe(content: object) -> str:
    """Describe a JSON file of no known format."""
    if content is None:
        return "all its JSON files are empty, so its format is unknown"
    inside = content[0] if isinstance(content, list) else content
    keys = f" with the keys {', '.join(map(str, list(inside)[:5]))}" if isinstance(inside, dict) else ""
    return f"its first JSON file holds a {type(content).__name__}{keys}, which is no known format"
