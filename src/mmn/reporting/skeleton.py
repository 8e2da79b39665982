"""Skeletons as pictures: bones and joints in the colours of their body parts."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmn.data.layout import Layout
from mmn.files import replacing

_COLOURS = colormaps["tab10"]
_GREY = "#999999"


def part_colours(layout: Layout) -> NDArray[np.float64]:
    """A colour ``(V, 4)`` for each joint, one a body part."""
    colours = np.zeros((layout.num_joints, 4))
    for number, joints in enumerate(layout.parts.values()):
        colours[joints] = _COLOURS(number % 10)
    return colours


class SkeletonArtist:
    """One skeleton on one pair of axes, redrawn frame by frame.

    Seen from the front: the first two coordinates, downwards as in a picture for 2D clips and upwards for 3D ones.

    Args:
        axes: where to draw.
        layout: bones and parts.
        clip: ``(T, V, C)``, for the range of the axes.
        title: written above.
    """

    def __init__(self, axes: Axes, layout: Layout, clip: NDArray[np.float32], title: str = "") -> None:
        self.bones = np.array(layout.bones, np.int64).reshape(-1, 2)
        self.colours = part_colours(layout)
        low, high = clip[..., :2].min(axis=(0, 1)), clip[..., :2].max(axis=(0, 1))
        margin = 0.05 * max(float((high - low).max()), 1e-6)
        axes.set_xlim(low[0] - margin, high[0] + margin)
        bottom, top = low[1] - margin, high[1] + margin
        axes.set_ylim(*((top, bottom) if clip.shape[2] == 2 else (bottom, top)))
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(title, fontsize=9)
        self.lines = LineCollection([], colors=self.colours[self.bones[:, 0]], linewidths=2)
        axes.add_collection(self.lines)
        self.points = axes.scatter(clip[0, :, 0], clip[0, :, 1], s=14, linewidths=1, zorder=3)
        self.note = axes.text(0.5, -0.02, " ", transform=axes.transAxes, fontsize=9, color=_GREY, ha="center", va="top")

    def show(self, pose: NDArray[np.float32], filled: NDArray[np.bool_] | None = None, note: str = "") -> None:
        """Draw one frame ``(V, C)``; joints that were filled in are hollow."""
        self.lines.set_segments(list(pose[self.bones, :2]))
        self.points.set_offsets(pose[:, :2])
        inside = self.colours.copy()
        if filled is not None:
            inside[filled] = (1.0, 1.0, 1.0, 1.0)
        self.points.set(edgecolor=self.colours, facecolor=inside)
        self.note.set_text(note)


def draw_layout(layout: Layout, clip: NDArray[np.float32], path: Path) -> None:
    """A picture of a layout, joints numbered and parts named, on the first frame of a clip ``(T, V, C)``."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots()
    SkeletonArtist(axes, layout, clip[:1]).show(clip[0])
    for joint, (x, y) in enumerate(clip[0, :, :2]):
        axes.annotate(str(joint), (x, y), fontsize=6, textcoords="offset points", xytext=(3, 3))
    colours = part_colours(layout)
    for part, joints in layout.parts.items():
        label = f"{part}: " + ", ".join(f"{joint} {layout.joints[joint]}" for joint in joints)
        axes.plot([], [], "o-", color=colours[joints[0]], label=textwrap.fill(label, 80))
    axes.plot(*clip[0, layout.centre, :2], "*", markersize=14, color="black", zorder=2, label="centre")
    figure.legend(loc="outside lower center", fontsize=6, frameon=False, ncols=2)
    with replacing(path) as part_file:
        figure.savefig(part_file, format=path.suffix.removeprefix(".") or "png", dpi=150)
