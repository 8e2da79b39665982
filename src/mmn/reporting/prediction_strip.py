"""The strip below an animated skeleton: a network's prediction around each frame."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mmn.inference.sliding import window_starts

_COLOURS = colormaps["Dark2"]  # distinct from the body parts' colours
_SHOWN = 4


class Prediction(NamedTuple):
    """Probabilities ``(T, K)`` of the classes ``names``, from a window around each frame."""

    names: list[str]
    probabilities: NDArray[np.float64]
    window: int

    @property
    def likeliest(self) -> list[int]:
        """The first few of the classes that are most likely at some frame, by decreasing probability."""
        ever = np.unique(self.probabilities.argmax(axis=1))
        return ever[np.argsort(-self.probabilities.max(axis=0)[ever], kind="stable")][:_SHOWN].tolist()


def class_colours(predictions: Sequence[Prediction]) -> dict[int, tuple[float, float, float, float]]:
    """A colour for each class shown in any of them, so that a class has one colour in all clips."""
    classes = dict.fromkeys(k for prediction in predictions for k in prediction.likeliest)
    return {k: _COLOURS(number % 8) for number, k in enumerate(classes)}


class PredictionArtist:
    """Lines of the most likely classes, and a marker of the current frame and its window."""

    def __init__(
        self, axes: Axes, prediction: Prediction, colours: dict[int, tuple[float, float, float, float]]
    ) -> None:
        self.prediction = prediction
        self.starts = window_starts(len(prediction.probabilities), prediction.window)
        for k in prediction.likeliest:
            axes.plot(100 * prediction.probabilities[:, k], color=colours[k], label=prediction.names[k])
        axes.set(xlim=(0, max(1, len(self.starts) - 1)), ylim=(0, 103), xlabel="frame", ylabel="probability, %")
        axes.xaxis.label.set_fontsize(8)
        axes.yaxis.label.set_fontsize(8)
        axes.tick_params(labelsize=7)
        axes.legend(fontsize=7, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.25))
        self.mark = axes.axvline(0, color="black", linewidth=1)
        self.span = axes.axvspan(0, prediction.window - 1, color="#999999", alpha=0.2, linewidth=0)

    def show(self, frame: int) -> str:
        """Move the marker to a frame; returns the most likely class there."""
        start = int(self.starts[frame])
        self.mark.set_xdata([frame])
        self.span.set_x(start)
        chances = self.prediction.probabilities[frame]
        best = int(chances.argmax())
        return f"{self.prediction.names[best]} {100 * chances[best]:.0f} %"
