"""The strip below a moving skeleton: what a network makes of the clip around each frame."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mmn.inference.sliding import window_starts

_COLOURS = colormaps["Dark2"]  # not those of the body parts
_SHOWN = 4


class Prediction(NamedTuple):
    """Probabilities ``(T, K)`` of the classes ``names``, from windows of so many frames around each frame."""

    names: list[str]
    probabilities: NDArray[np.float64]
    window: int

    @property
    def likeliest(self) -> list[int]:
        """The classes that are likeliest at some frame, those of the highest probability first; the first few."""
        ever = np.unique(self.probabilities.argmax(axis=1))
        return ever[np.argsort(-self.probabilities.max(axis=0)[ever], kind="stable")][:_SHOWN].tolist()


def class_colours(predictions: Sequence[Prediction]) -> dict[int, tuple[float, float, float, float]]:
    """A colour for each class that is shown of any of them, so that a class looks the same beside another clip."""
    classes = dict.fromkeys(k for prediction in predictions for k in prediction.likeliest)
    return {k: _COLOURS(number % 8) for number, k in enumerate(classes)}


class PredictionArtist:
    """Lines of the classes that are ever likeliest, and a mark that follows the frame and its window."""

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
        """Move the mark to a frame; says what is likeliest there."""
        start = int(self.starts[frame])
        self.mark.set_xdata([frame])
        self.span.set_x(start)
        chances = self.prediction.probabilities[frame]
        best = int(chances.argmax())
        return f"{self.prediction.names[best]} {100 * chances[best]:.0f} %"
