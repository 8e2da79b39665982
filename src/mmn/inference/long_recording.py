"""Class probabilities of a long recording, from a sliding window."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from mmn.errors import UserError

Recognise = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float64]]
"""Clips ``(T_i, V, C)`` → probabilities ``(N, K)``."""

_AT_ONCE = 256
_LONGEST = 1_000_000  # frames: nine hours


def frame_probabilities(
    recognise: Recognise, clip: NDArray[np.float32], window: int, stride: int, smooth: float
) -> NDArray[np.float64]:
    """Class probabilities ``(T, K)`` of every frame of ``clip (T, V, C)``.

    Each window's probabilities are assigned to its middle frame, and interpolated linearly between the middles; they
    are constant before the first and after the last.

    Args:
        recognise: classifies windows as if each were a clip of its own.
        clip: the recording; if shorter than the window, it forms a single window.
        window: length in frames.
        stride: frames between the starts of successive windows.
        smooth: standard deviation in frames of the Gaussian that smooths the probabilities; 0 for none.

    Raises:
        UserError: an invalid window, stride or smoothing.
    """
    check_windows(window, stride, smooth)
    starts = window_starts(len(clip), window, stride)
    spans = [clip[start : start + window] for start in starts]
    scores = np.concatenate([recognise(spans[i : i + _AT_ONCE]) for i in range(0, len(spans), _AT_ONCE)])
    middles = starts + (min(window, len(clip)) - 1) / 2
    frames = np.arange(len(clip))
    of_frames = np.stack([np.interp(frames, middles, scores[:, k]) for k in range(scores.shape[1])], axis=1)
    return gaussian_filter1d(of_frames, smooth, axis=0, mode="nearest") if smooth else of_frames


def check_windows(window: int, stride: int, smooth: float) -> None:
    """Check the numbers of frames by which a window slides.

    Raises:
        UserError: an invalid window, stride or smoothing.
    """
    if not (2 <= window <= _LONGEST and 1 <= stride <= _LONGEST and 0 <= smooth <= _LONGEST):
        raise UserError(
            f"a window of {window} frames, a stride of {stride} and smoothing of {smooth:g} are not valid; use a "
            f"window of 2 frames or more, a stride of 1 or more and smoothing of 0 or more, all up to {_LONGEST:,}."
        )


def window_starts(frames: int, window: int, stride: int) -> NDArray[np.int64]:
    """The first frame of each window; the last window ends with the recording."""
    last = max(frames - window, 0)
    return np.unique([*range(0, last, stride), last])


def runs(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last frame of each run of True in ``(T,)``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    return [(int(start), int(end) - 1) for start, end in edges.reshape(-1, 2)]
