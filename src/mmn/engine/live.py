"""Recognise a live recording: one line per frame in, one prediction per frame out."""

import json
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import UNKNOWN
from mmn.errors import UserError
from mmn.evaluation.probabilities import likeliest
from mmn.evaluation.scores import Scores
from mmn.inference.predict import Predictor
from mmn.outside import reason

_LONGEST = 1 << 20  # bytes per line: a hundred times those of all body, face and hand points


def answers(
    predictor: Predictor, lines: BinaryIO, window: int | None, layout: str | None, places: int, threshold: float = 0.0
) -> Iterator[dict[str, Any]]:
    """Yield, for each line, the prediction for the last frames: ``frame`` (from 0), ``likeliest``, and ``ms`` taken.

    Args:
        predictor: the networks.
        lines: each a JSON list of joints, ``[x, y]`` or null, or an object with such a list as ``keypoints``; empty
            lines are skipped.
        window: number of frames that are classified as one clip; None for ``predictor.window``.
        layout: the layout of a frame; None for the networks' own.
        places: number of classes, most likely first; there are none while joints are waited for.
        threshold: see ``likeliest``.

    Raises:
        UserError: a line is not a frame.
    """
    stream = predictor.stream(window, layout)
    frames = (line for line in enumerate(iter(lambda: lines.readline(_LONGEST), b""), start=1) if line[1].strip())
    for number, (place, line) in enumerate(frames):
        start = time.perf_counter()
        try:
            probabilities = stream(_frame(line, predictor.coordinates))
        except UserError as error:
            raise UserError(f"line {place} of the stream: {error}") from None
        rows: list[dict[str, Any]] = []
        if probabilities is not None:
            with np.errstate(divide="ignore"):
                logits = np.log(probabilities)[None].astype(np.float32)
            scores = Scores([str(number)], np.array([UNKNOWN]), logits, predictor.classes)
            rows = [guess.as_row() for guess in likeliest(scores, places, threshold)]
        classes = [{key: row[key] for key in ("class", "index", "probability")} for row in rows]
        yield {"frame": number, "likeliest": classes, "ms": round(1000 * (time.perf_counter() - start), 3)}


def _frame(line: bytes, width: int) -> NDArray[np.float64]:
    """The joints ``(V, C)`` in a line, NaN where they are missing; if all are, they have ``width`` coordinates."""
    try:
        content = json.loads(line)
        joints = content["keypoints"] if isinstance(content, dict) else content
        width = max((len(joint) for joint in joints if joint is not None), default=width)
        return np.array([[None] * width if joint is None else joint for joint in joints], dtype=np.float64)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UserError(
            f"it is not a frame ({reason(error)}); give a list of joints, each [x, y], or null if it is missing."
        ) from None
