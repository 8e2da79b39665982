"""Data for the animated skeletons on a page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.reporting.skeleton import front_view, part_colours

MOST_FRAMES = 200  # of a clip on a page; longer ones are subsampled evenly


def players(clips: Sequence[NDArray[np.float32]], layout: Layout) -> dict[str, Any]:
    """Clips ``(T, V, C)`` for ``players.js``: frames of alternating x and y of each joint, as integers 0 to 1000."""
    colours = [to_hex(colour) for colour in part_colours(layout)]
    return {"clips": [_moving(clip) for clip in clips], "bones": layout.bones, "colours": colours}


def _moving(clip: NDArray[np.float32]) -> list[list[int]]:
    clip = front_view(clip)
    clip = clip[np.linspace(0, len(clip) - 1, min(len(clip), MOST_FRAMES)).astype(int)]
    low = clip.min(axis=(0, 1))
    size = max(float((clip.max(axis=(0, 1)) - low).max()), 1e-6)
    frames: list[list[int]] = np.rint((clip - low) / size * 900 + 50).astype(int).reshape(len(clip), -1).tolist()
    return frames
