"""A clip during conversion."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Clip:
    """The joints of one person in one recording.

    Attributes:
        name: the name that labels refer to.
        frames: ``(K,)`` frame numbers, increasing.
        joints: ``(K, V, C)`` float32, NaN where a joint is missing.
        zero: ``(K, V)`` mask of joints at exactly zero and without a score to tell whether they were found; None if
            there are scores, or once this has been decided.
        recording: the recording it is from; labels may refer to this name instead.
        label: class index or class name, if known.
        split: train, val or test, if known.
        group: subject or recording, if known.
        where: the row of the label table, for error messages; empty if there is none.
        left_out: number of other people in view.
        fps: frames per second of the recording, if known.
    """

    name: str
    frames: NDArray[np.int64]
    joints: NDArray[np.float32]
    zero: NDArray[np.bool_] | None
    recording: str
    label: int | str | None = None
    split: str | None = None
    group: str = ""
    where: str = ""
    left_out: int = 0
    fps: float | None = None

    def with_frames(self, frames: NDArray[np.int64], joints: NDArray[np.float32]) -> "Clip":
        """The same clip with other frames; only once exact zeros have been decided on."""
        return replace(self, frames=frames, joints=joints, zero=None)
