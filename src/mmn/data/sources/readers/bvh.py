"""Reader of BVH motion capture: one file per clip; the joints of the file's hierarchy in 3D, in its units, y up."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.own_layout import own_estimator, own_layout
from mmn.data.sources.readers.files import clip_files, recordings_of_files
from mmn.data.sources.recording import Recording, frame_rate
from mmn.errors import UserError

_ENDS = 10  # joints beyond the number of channels; more are no skeleton, whose joints have one to six channels each
_AT_ONCE = 1_000  # frames


class Joint(NamedTuple):
    """A joint of the hierarchy: index of its parent (−1 for the root), offset from the parent, and channels."""

    name: str
    parent: int
    offset: NDArray[np.float64]
    channels: list[str]


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""
    layout = _layout(_read(clip_files(source, (".bvh",))[0].path)[0])
    return Parsed("BVH", recordings_of_files(source, (".bvh",), _recordings), layout=layout)


def _recordings(name: str, path: Path) -> Iterator[Recording]:
    joints, motion, fps = _read(path)
    estimator = own_estimator([joint.name for joint in joints], f"the file's {len(joints)} joints")
    sure = np.ones((1, len(motion), len(joints)), np.float32)  # zeros are real positions
    blocks = [_places(joints, motion[start : start + _AT_ONCE]) for start in range(0, len(motion), _AT_ONCE)]
    places = np.concatenate([*blocks, np.zeros((0, len(joints), 3), np.float32)])
    yield Recording.from_array(name, places[None], sure, estimator=estimator, fps=fps)


def _layout(joints: list[Joint]) -> Layout:
    bones = [(index, joint.parent) for index, joint in enumerate(joints) if joint.parent >= 0]
    return own_layout([joint.name for joint in joints], bones, np.zeros((0, len(joints), 3)))


def _read(path: Path) -> tuple[list[Joint], NDArray[np.float64], float | None]:
    """The hierarchy, the channel values of each frame ``(T, channels)``, and the frame rate."""
    try:
        hierarchy, _, motion = path.read_text(encoding="utf-8-sig").partition("MOTION")
        joints = list(_hierarchy(hierarchy.split()))
        _, _, rows = motion.partition("Frame Time:")
        width = sum(len(joint.channels) for joint in joints)
        if len(joints) > width + _ENDS:
            raise ValueError
        numbers = np.array(rows.split(), np.float64)
        values = numbers[1:].reshape(-1, width)
    except (OSError, ValueError, IndexError, StopIteration):
        raise UserError(f"{path} is truncated or not a BVH file; export it again.") from None
    step = float(numbers[0])
    return joints, values, frame_rate(1 / step) if step else None


def _hierarchy(words: list[str]) -> Iterator[Joint]:
    open_joints: list[int] = []
    count, at = 0, 0
    name = ""
    offset = np.zeros(3)
    while at < len(words):
        word = words[at]
        if word in ("ROOT", "JOINT"):
            name = words[at + 1]
        elif word == "End":
            name = f"{name}_end"
        elif word == "OFFSET":
            offset = np.array(words[at + 1 : at + 4], np.float64)
            if words[at + 4] != "CHANNELS":
                yield Joint(name, open_joints[-2], offset, [])
                open_joints[-1] = count
                count += 1
        elif word == "CHANNELS":
            number = int(words[at + 1])
            yield Joint(name, open_joints[-2] if len(open_joints) > 1 else -1, offset, words[at + 2 : at + 2 + number])
            open_joints[-1] = count
            count += 1
        elif word == "{":
            open_joints.append(-1)
        elif word == "}":
            open_joints.pop()
        at += 1


def _places(joints: list[Joint], motion: NDArray[np.float64]) -> NDArray[np.float32]:
    """Forward kinematics: joint positions ``(T, V, 3)``."""
    places = np.zeros((len(motion), len(joints), 3))
    turns = np.tile(np.eye(3), (len(joints), len(motion), 1, 1))
    column = 0
    for index, joint in enumerate(joints):
        turn, shift = np.tile(np.eye(3), (len(motion), 1, 1)), np.tile(joint.offset, (len(motion), 1))
        for channel in joint.channels:
            axis = "XYZ".index(channel[0].upper())
            if channel.endswith("position"):
                shift[:, axis] = motion[:, column]
            else:
                turn = turn @ _rotation(axis, np.radians(motion[:, column]))
            column += 1
        parent = turns[joint.parent] if joint.parent >= 0 else np.tile(np.eye(3), (len(motion), 1, 1))
        origin = places[:, joint.parent] if joint.parent >= 0 else 0.0
        places[:, index] = origin + np.einsum("tij,tj->ti", parent, shift)
        turns[index] = parent @ turn
    return places.astype(np.float32)


def _rotation(axis: int, angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices about an axis ``(T, 3, 3)``."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn = np.tile(np.eye(3), (len(angle), 1, 1))
    turn[:, a, a] = turn[:, b, b] = np.cos(angle)
    turn[:, b, a] = np.sin(angle)
    turn[:, a, b] = -turn[:, b, a]
    return turn
