"""Drawings of skeletons, coloured by body part."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.files import replacing

_COLOURS = colormaps["tab10"]
_GREY = "#999999"


def part_colours(layout: Layout) -> NDArray[np.float64]:
    """A colour ``(V, 4)`` for each joint, one per body part."""
    colours = np.zeros((layout.num_joints, 4))
    for number, joints in enumerate(layout.parts.values()):
        colours[joints] = _COLOURS(number % 10)
    return colours


def front_view(keypoints: NDArray[np.floating]) -> NDArray[np.floating]:
    """``(…, V, C)`` → ``(…, V, 2)`` in image coordinates, y downwards; 3D keypoints, whose y is up, from the front."""
    return keypoints[..., :2] if keypoints.shape[-1] == 2 else keypoints[..., :2] * np.array([1, -1], np.float32)


class SkeletonArtist:
    """One skeleton on one pair of axes, seen from the front and redrawn frame by frame.

    Args:
        axes: where to draw.
        layout: bones and parts.
        clip: ``(T, V, C)``, for the range of the axes.
        title: shown above.
    """

    def __init__(self, axes: Axes, layout: Layout, clip: NDArray[np.float32], title: str = "") -> None:
        self.bones = np.array(layout.bones, np.int64).reshape(-1, 2)
        self.colours = part_colours(layout)
        places = front_view(clip)
        low, high = places.min(axis=(0, 1)), places.max(axis=(0, 1))
        margin = 0.05 * max(float((high - low).max()), 1e-6)
        axes.set_xlim(low[0] - margin, high[0] + margin)
        axes.set_ylim(high[1] + margin, low[1] - margin)
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(title, fontsize=9)
        self.lines = LineCollection([], colors=self.colours[self.bones[:, 0]], linewidths=2)
        axes.add_collection(self.lines)
        self.points = axes.scatter(places[0, :, 0], places[0, :, 1], s=14, linewidths=1, zorder=3)
        self.note = axes.text(0.5, -0.02, " ", transform=axes.transAxes, fontsize=9, color=_GREY, ha="center", va="top")

    def show(self, pose: NDArray[np.float32], filled: NDArray[np.bool_] | None = None, note: str = "") -> None:
        """Draw one frame ``(V, C)``; joints that were filled in are hollow."""
        places = front_view(pose)
        self.lines.set_segments(list(places[self.bones]))
        self.points.set_offsets(places)
        inside = self.colours.copy()
        if filled is not None:
            inside[filled] = (1.0, 1.0, 1.0, 1.0)
        self.points.set(edgecolor=self.colours, facecolor=inside)
        self.note.set_text(note)


@rc_context({"text.parse_math": False})  # a $ in a name is not maths
def draw_layout(layout: Layout, clip: NDArray[np.float32], path: Path) -> None:
    """Plot a layout, joints numbered and parts named, on the first frame of a clip ``(T, V, C)``."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots()
    SkeletonArtist(axes, layout, clip[:1]).show(clip[0])
    places = front_view(clip[0])
    for joint, (x, y) in enumerate(places):
        axes.annotate(str(joint), (x, y), fontsize=6, textcoords="offset points", xytext=(3, 3))
    colours = part_colours(layout)
    for part, joints in layout.parts.items():
        label = f"{part}: " + ", ".join(f"{joint} {layout.joints[joint]}" for joint in joints)
        axes.plot([], [], "o-", color=colours[joints[0]], label=textwrap.fill(label, 80))
    axes.plot(*places[layout.centre], "*", markersize=14, color="black", zorder=2, label="centre")
    figure.legend(loc="outside lower center", fontsize=6, frameon=False, ncols=2)
    with replacing(path) as part_file:
        figure.savefig(part_file, format=path.suffix.removeprefix(".") or "png", dpi=150)
