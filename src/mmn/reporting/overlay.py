"""A copy of a video with the skeleton and the predicted classes drawn on it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.sources.video import Video
from mmn.errors import UserError
from mmn.files import replacing
from mmn.reporting.skeleton import part_colours

_PLACES = 3
_LIKELY, _UNLIKELY, _SHADOW = (80, 220, 80), (200, 200, 200), (0, 0, 0)  # blue, green, red


def write_overlay(
    video: Video,
    output: Path,
    clip: NDArray[np.float32],
    frames: NDArray[np.int64],
    layout: Layout,
    names: Sequence[str],
    probabilities: NDArray[np.float64],
    threshold: float,
) -> None:
    """Write a copy of the video, each frame with its skeleton and most likely classes, in green above the threshold.

    Args:
        video: the original.
        output: an ``.mp4`` file.
        clip: ``(T, V, 2)`` joints in pixels.
        frames: ``(T,)`` frame numbers of the joints in the video.
        layout: their skeleton.
        names: K class names.
        probabilities: ``(T, K)``.
        threshold: the probability from which a class is drawn in green.

    Raises:
        UserError: the video cannot be written.
    """
    import cv2

    row_of = {int(frame): row for row, frame in enumerate(frames)}
    colours = [tuple(int(255 * part) for part in colour[2::-1]) for colour in part_colours(layout)]
    with TemporaryDirectory() as folder, replacing(output) as part:
        copy = Path(folder) / "overlay.mp4"  # OpenCV chooses the container by the name
        writer = cv2.VideoWriter(str(copy), cv2.VideoWriter.fourcc(*"mp4v"), video.fps, video.size)
        for number, picture in enumerate(video):
            row = row_of.get(number)
            if row is not None:
                _draw_skeleton(cv2, picture, clip[row], layout, colours)
                _write_classes(cv2, picture, names, probabilities[row], threshold)
            writer.write(picture)
        writer.release()
        if not copy.exists():
            raise UserError(f"the installed OpenCV has no encoder for {output}; leave --overlay out.")
        part.write_bytes(copy.read_bytes())


def _draw_skeleton(
    cv2: Any, picture: NDArray[np.uint8], pose: NDArray[np.float32], layout: Layout, colours: Sequence[tuple[int, ...]]
) -> None:
    places = [tuple(int(value) for value in np.rint(joint)) for joint in pose]
    thickness = max(1, picture.shape[0] // 240)
    for start, end in layout.bones:
        cv2.line(picture, places[start], places[end], colours[start], thickness, cv2.LINE_AA)
    for place, colour in zip(places, colours, strict=True):
        cv2.circle(picture, place, 2 * thickness, colour, -1, cv2.LINE_AA)


def _write_classes(
    cv2: Any, picture: NDArray[np.uint8], names: Sequence[str], chances: NDArray[np.float64], threshold: float
) -> None:
    size = max(0.4, picture.shape[0] / 720)
    for line, k in enumerate(np.argsort(-chances, kind="stable")[:_PLACES], start=1):
        at = round(12 * size), round(28 * size * line)
        text = f"{names[k]} {chances[k]:.0%}"
        for shift, colour in ((1, _SHADOW), (0, _LIKELY if chances[k] >= threshold else _UNLIKELY)):
            place = at[0] + shift, at[1] + shift
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
