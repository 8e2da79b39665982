"""The formats that can be read, and which one a source is in."""

from collections.abc import Callable
from pathlib import Path

from mmn.data.sources import alphapose, arrays, official, openpose, pyskl, wholebody
from mmn.data.sources.pose_files import read_json
from mmn.data.sources.request import Request, Source
from mmn.errors import UserError

READERS: dict[str, Callable[[Path, Request], Source]] = {
    "mmn": official.read,
    "pyskl": pyskl.read,
    "alphapose": alphapose.read,
    "openpose": openpose.read,
    "wholebody": wholebody.read,
    "arrays": arrays.read,
}
"""Name of a format → its reader."""


def recognise(source: Path) -> str:
    """The format of a file or folder, by its files' names and the first JSON file's structure.

    Raises:
        UserError: nothing there, or nothing known.
    """
    if not source.exists():
        raise UserError(f"there is no file or folder {source}; give what was recorded, or what holds it.")
    if source.is_file():
        by_suffix = {".pkl": "pyskl", ".pickle": "pyskl", ".npz": "arrays", ".npy": "arrays"}
        if source.suffix in by_suffix:
            return by_suffix[source.suffix]
        if source.suffix == ".json":
            return _json_format(source)
    elif any(source.glob("*_data.pkl")):
        return "mmn"
    elif any(source.glob("*.npy")):
        return "arrays"
    elif any(source.glob("*/*.json")):
        return "openpose"
    elif first := min(source.glob("*.json"), default=None):
        return _json_format(first)
    raise _unknown(source)


def _json_format(path: Path) -> str:
    content = read_json(path)
    if isinstance(content, dict) and "instance_info" in content:
        return "wholebody"
    if isinstance(content, list) and content and isinstance(content[0], dict):
        if "image_id" in content[0]:
            return "alphapose"
        if "instances" in content[0]:
            return "wholebody"
    raise _unknown(path)


def _unknown(source: Path) -> UserError:
    return UserError(f"{source} is in no format that is recognised; say which with --format {'|'.join(READERS)}.")
