"""From the files people have to the one HDF5 file."""

from pathlib import Path

from mmn.data.clips import Clips, check_clips
from mmn.data.hdf5 import write_data
from mmn.data.layout import Classes, Layout, load_classes, load_layout
from mmn.data.official_pickles import read_official_pickles
from mmn.data.skeletons import SkeletonData
from mmn.errors import UserError


def convert(
    source: str | Path,
    output: str | Path,
    layout: str | Path,
    classes: str | Path | None = None,
    name: str | None = None,
) -> SkeletonData:
    """Convert a folder of official pickles to one HDF5 file.

    Args:
        source: the folder.
        output: the file to write, whole or not at all.
        layout: ``ma52``, ``imigue``, ``jhmdb``, or a YAML file.
        classes: a text file with a class name a line, in place of those the layout brings.
        name: short name of the data set; the output's by default.

    Returns:
        What was written.

    Raises:
        UserError: anything in the source that training could not use, with its place; nothing is written.
    """
    skeleton = load_layout(layout)
    recognised = _classes(layout, classes)
    splits = read_official_pickles(source)
    for split, clips in splits.items():
        _check_joints(clips, skeleton, str(layout), f"{source}, split {split}")
        check_clips(clips, skeleton.num_joints, len(recognised.names), f"{source}, split {split}")
    data = SkeletonData(
        name or Path(output).stem, f"official pickles in {Path(source).name}", skeleton, recognised, splits
    )
    write_data(output, data)
    return data


def _check_joints(clips: Clips, layout: Layout, layout_name: str, where: str) -> None:
    have = clips.keypoints.shape[1]
    if have != layout.num_joints:
        raise UserError(
            f"{where} has {have} joints a frame and the layout {layout_name} has {layout.num_joints}; "
            "give --layout the one it was recorded in."
        )


def _classes(layout: str | Path, path: str | Path | None) -> Classes:
    if path is None:
        classes = load_classes(layout)
        if classes is None:
            raise UserError(
                f"the layout {layout} brings no class names; give --classes a text file with a name a line."
            )
        return classes
    try:
        names = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path} cannot be read; --classes takes a text file with a class name a line.") from None
    return Classes(names, [], [])
