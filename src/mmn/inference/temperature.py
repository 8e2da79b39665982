"""The temperature of one network or several."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)


def mean_temperature(temperatures: Sequence[float | None], weights: Sequence[float] | None = None) -> float:
    """The mean of the temperatures that are known; 1 if none is."""
    known = [place for place, value in enumerate(temperatures) if value is not None]
    shares = np.array([1.0 if weights is None else weights[place] for place in known])
    if not shares.any():
        return 1.0
    return float(np.average([float(temperatures[place] or 1.0) for place in known], weights=shares))


def warn_if_unknown(temperatures: Mapping[str | Path, float | None]) -> None:
    """Name the checkpoints of networks without a temperature.

    Args:
        temperatures: path of the checkpoint → temperature.
    """
    if lacking := [str(path) for path, value in temperatures.items() if value is None]:
        text = (
            "no temperature is recorded in %s; probabilities are calibrated by those of other networks, or not at all"
        )
        log.warning(text, ", ".join(lacking))
