"""Animated skeletons: one or more clips side by side, as GIF, MP4 or a self-contained HTML page."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.animation import FFMpegWriter, FuncAnimation, PillowWriter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.files import replacing
from mmn.reporting.prediction_strip import Prediction, PredictionArtist, class_colours
from mmn.reporting.skeleton import SkeletonArtist

FORMATS = (".gif", ".mp4", ".html")


class Shown(NamedTuple):
    """A clip to show.

    Attributes:
        title: shown above.
        keypoints: ``(T, V, C)``.
        filled: joints that were filled in ``(T, V)``; drawn hollow.
        prediction: a network's prediction, frame by frame; drawn below.
    """

    title: str
    keypoints: NDArray[np.float32]
    filled: NDArray[np.bool_] | None = None
    prediction: Prediction | None = None


def find_clip(data: SkeletonData, name: str) -> Shown:
    """A clip by its name, or by ``split/name`` if several splits have the name.

    Raises:
        UserError: no such clip, or more than one.
    """
    found = [
        (split, i)
        for split, clips in data.splits.items()
        for i, other in enumerate(clips.names)
        if name in (other, f"{split}/{other}")
    ]
    if len(found) != 1:
        some = ", ".join(f"{split}/{clips.names[0]}" for split, clips in data.splits.items())
        raise UserError(
            f"{data.name} has {len(found)} clips called {name}; give one name, with its split if needed, as in {some}."
        )
    split, index = found[0]
    clips = data.splits[split]
    span = slice(clips.offsets[index], clips.offsets[index + 1])
    label = data.classes.names[clips.labels[index]] if clips.labelled[index] else "unlabelled"
    return Shown(
        f"{split}/{clips.names[index]}: {label}",
        clips.clip(index),
        None if clips.filled is None else clips.filled[span],
    )


@rc_context({"text.parse_math": False})  # a $ in a name is not maths
def animate(clips: Sequence[Shown], layout: Layout, path: Path, frames_per_second: int = 15) -> None:
    """Write an animation of clips side by side; a shorter one freezes at its end.

    Raises:
        UserError: a suffix other than .gif, .mp4 and .html, or .mp4 without ffmpeg installed.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UserError(f"{path} ends in {suffix!r}; animations are written as {', '.join(FORMATS)}.")
    if suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise UserError("MP4 needs the program ffmpeg, which is not installed; install it or write .gif or .html.")
    predictions = [clip.prediction for clip in clips if clip.prediction]
    colours, predicted = class_colours(predictions), bool(predictions)
    figure = Figure(figsize=(4 * len(clips), 4.5 + 2 * predicted), layout="constrained")
    axes = figure.subplots(1 + predicted, len(clips), height_ratios=[4.5, 2][: 1 + predicted], squeeze=False)
    artists: list[tuple[SkeletonArtist, PredictionArtist | None]] = []
    for column, clip in enumerate(clips):
        strip = PredictionArtist(axes[1, column], clip.prediction, colours) if clip.prediction else None
        artists.append((SkeletonArtist(axes[0, column], layout, clip.keypoints, clip.title), strip))

    def draw(frame: int) -> None:
        for (skeleton, strip), clip in zip(artists, clips, strict=True):
            t = min(frame, len(clip.keypoints) - 1)
            note = f"frame {t}" if strip is None else f"frame {t}: {strip.show(t)}"
            skeleton.show(clip.keypoints[t], None if clip.filled is None else clip.filled[t], note)

    length = max(len(clip.keypoints) for clip in clips)
    animation = FuncAnimation(figure, draw, frames=length, interval=1000 / frames_per_second, blit=False)
    with replacing(path) as part:
        if suffix == ".html":
            part.write_text(animation.to_jshtml(default_mode="loop"), encoding="utf-8")
        else:
            temporary = part.with_suffix(f".part{suffix}")  # writers choose by suffix
            writer = PillowWriter(frames_per_second) if suffix == ".gif" else FFMpegWriter(frames_per_second)
            try:
                animation.save(temporary, writer=writer, dpi=80)
                temporary.replace(part)
            finally:
                temporary.unlink(missing_ok=True)
