"""Class probabilities over time, from a window sliding over a clip's frames."""

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.pipeline.prepare import prepare_as
from mmn.errors import UserError
from mmn.inference.checkpoint import Checkpoint
from mmn.inference.infer import for_inference, infer
from mmn.inference.temperature import mean_temperature


def default_window(frames: int) -> int:
    """Half the clip, at most 64 frames."""
    return min(64, max(1, frames // 2))


def sliding_probabilities(
    checkpoint: Checkpoint, clip: NDArray[np.floating], layout: Layout, window: int
) -> NDArray[np.float64]:
    """Calibrated probabilities ``(T, K)`` of the window around each frame of ``clip (T, V, C)``.

    Every window is prepared like a clip of its own, and has the probabilities that ``Predictor`` gives to that clip;
    windows at the ends are shifted inwards.

    Args:
        checkpoint: one with a stream (not official weights).
        clip: joints in the layout's order.
        layout: the layout of the clip.
        window: length in frames, 1 to T.

    Raises:
        UserError: the window is longer than the clip, the weights are official, or the skeleton is another.
    """
    if checkpoint.stream is None:
        raise UserError("official weights do not record their modality; give a checkpoint of train.py.")
    if not 1 <= window <= len(clip):
        raise UserError(
            f"a window of {window} frames does not fit a clip of {len(clip)} frames; give 1 to {len(clip)}."
        )
    windows = np.lib.stride_tricks.sliding_window_view(clip, window, axis=0)  # (T - window + 1, V, C, window)
    network = for_inference(checkpoint.network)
    logits = []
    for few in np.array_split(np.moveaxis(windows, 3, 1), -(-len(windows) // 256)):
        x, times = prepare_as(checkpoint.stream.preprocessing, list(few), layout)
        logits.append(infer(network, x, times))
    scores = torch.cat(logits).double() / mean_temperature([checkpoint.temperature])
    return scores.softmax(dim=-1).numpy()[window_starts(len(clip), window)]


def window_starts(frames: int, window: int) -> NDArray[np.int64]:
    """The first frame ``(T,)`` of the window around each frame."""
    return np.clip(np.arange(frames) - window // 2, 0, frames - window)
