"""The report of unlabelled clips: predictions and their confidence."""

from typing import Any

import numpy as np
import torch

from mmn.evaluation.logits import top_classes
from mmn.evaluation.predictions import predictions, probabilities
from mmn.reporting.result import Result

PLACES = 3


def unlabelled_content(result: Result, name: str, provenance: str) -> dict[str, Any]:
    """The page's content: clips per predicted class, and each clip's most likely classes, least confident first."""
    scores = result.scores
    chances, predicted = probabilities(scores), predictions(scores)
    names = scores.classes.names
    best = top_classes(torch.from_numpy(scores.logits), PLACES).tolist()
    counts = np.bincount(predicted, minlength=len(names))
    classes = [
        {"name": names[k], "clips": int(counts[k]), "sure": float(100 * chances[predicted == k, k].mean())}
        for k in np.argsort(-counts, kind="stable")
        if counts[k]
    ]
    clips = [
        {"name": scores.names[i], "guesses": [(names[k], float(100 * chances[i, k])) for k in best[i]]}
        for i in np.argsort(chances.max(axis=1), kind="stable")
    ]
    return {
        "title": f"{name}: {result.split}",
        "classes": classes,
        "clips": clips,
        "places": range(1, min(PLACES, len(names)) + 1),
        "provenance": provenance,
    }
