"""One clip between the steps of a conversion."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Clip:
    """The joints of one person in one recording.

    Attributes:
        name: what labels call it.
        frames: ``(K,)`` the numbers of the frames, rising.
        joints: ``(K, V, C)`` float32, NaN where a joint is missing.
        zero: ``(K, V)`` joints at exactly zero of which no score says whether they were found; None where it is known.
        recording: the recording it is of, which labels may name in its place.
        label: class index or class name, where the source says so.
        split: train, val or test, where the source says so.
        group: the subject or recording, where labels say so.
        where: the place in a table that says so, for sentences; empty where none does.
        left_out: how many other people were in view.
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

    def with_frames(self, frames: NDArray[np.int64], joints: NDArray[np.float32]) -> "Clip":
        """The same clip with other frames; zeros have been settled by then."""
        return replace(self, frames=frames, joints=joints, zero=None)
