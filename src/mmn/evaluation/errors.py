"""Error analysis: by length, motion, body group and training clips; and labels that may be wrong."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.clips import Clips
from mmn.data.format.skeletons import SkeletonData
from mmn.evaluation.logits import softmax
from mmn.evaluation.predictions import labelled, predictions
from mmn.evaluation.scores import Scores, aligned


def error_analysis(scores: Scores, data: SkeletonData, split: str) -> dict[str, list[dict[str, Any]]]:
    """Accuracy in percent of the labelled clips, by property: rows of ``name``, ``clips`` and ``accuracy``."""
    scores = labelled(scores)
    right = predictions(scores) == scores.labels
    clips = data.splits[split]
    place = {name: i for i, name in enumerate(clips.names)}
    index = [place[name] for name in scores.names]
    result = {
        "clip length, frames": _by_quarter(clips.lengths[index], right),
        "motion, body sizes per frame": _by_quarter(np.array([motion(clips, i) for i in index]), right),
    }
    if data.classes.group_names:
        groups = np.array(data.classes.group_of_class)[scores.labels]
        result["body group"] = _rows(data.classes.group_names, [groups == g for g in range(groups.max() + 1)], right)
    if "train" in data.splits:
        counts = np.bincount(data.splits["train"].labels, minlength=len(data.classes.names))
        result["training clips of the class"] = _by_quarter(counts[scores.labels], right)
    return result


def motion(clips: Clips, index: int) -> float:
    """Mean displacement of a joint between frames, in heights of the clip's bounding box."""
    clip = clips.clip(index)
    if len(clip) < 2:
        return 0.0
    size = float(np.ptp(clip.reshape(-1, clip.shape[2]), axis=0).max())
    return float(np.linalg.norm(np.diff(clip, axis=0), axis=2).mean()) / max(size, 1e-6)


def likely_label_errors(streams: Sequence[Scores], least: float = 0.5, count: int = 20) -> list[dict[str, Any]]:
    """Clips whose label every stream confidently contradicts, most confident first.

    Not for training clips: a network has learnt their labels, right or wrong.

    Args:
        streams: scores of the same clips; several make a label error more likely than a network error.
        least: minimum probability of the class in each stream.
        count: how many to list.
    """
    if streams[0].source.split == "train":
        return []
    logits, labels = aligned(streams)
    together = softmax(logits).min(axis=0)  # (N, K): the lowest over streams
    predicted = together.argmax(axis=1)
    sure = together.max(axis=1)
    names = streams[0].classes.names
    found = [i for i in np.argsort(-sure) if labels[i] >= 0 and predicted[i] != labels[i] and sure[i] >= least]
    return [
        {
            "clip": streams[0].names[i],
            "label": names[labels[i]],
            "predicted": names[predicted[i]],
            "probability": float(100 * sure[i]),
        }
        for i in found[:count]
    ]


def _by_quarter(values: NDArray[Any], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Quartiles of the clips by a value; fewer if many are equal."""
    edges = np.unique(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    if len(edges) < 2:
        edges = np.array([edges[0], edges[0]])
    which = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = [f"{low:.3g} – {high:.3g}" for low, high in itertools.pairwise(edges)]
    return _rows(names, [which == number for number in range(len(names))], right)


def _rows(names: list[str], inside: list[NDArray[np.bool_]], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    return [
        {"name": name, "clips": int(mask.sum()), "accuracy": float(100 * right[mask].mean())}
        for name, mask in zip(names, inside, strict=False)
        if mask.any()
    ]
