"""Two results on the same clips: how far apart they are, and on which clips they differ."""

from typing import Any

import numpy as np

from mmn.evaluation.analysis import labelled, per_class, percentiles, predictions, resampled
from mmn.evaluation.scores import Scores, aligned, figures


def paired(first: Scores, second: Scores, resamples: int = 500) -> dict[str, Any]:
    """What changes from the second result to the first, of the labelled clips, matched by name.

    Returns:
        ``differences``: by figure, first minus second in points with a 95 % interval over clips drawn alike for both;
        ``right``: clips that ``both``, only the ``first``, only the ``second`` or ``neither`` got right;
        ``classes``: rows of a class's F1 in both and their difference, the largest gain first;
        ``won`` and ``lost``: clips only the first, or only the second got right.

    Raises:
        UserError: results of other clips, labels or classes.
    """
    logits, labels = aligned([first, second])
    alike = [labelled(Scores(first.names, labels, one.astype(np.float32), first.classes)) for one in logits]
    values, drawn = [figures(scores) for scores in alike], [resampled(scores, resamples) for scores in alike]
    taken = [predictions(scores) for scores in alike]
    right = [one == alike[0].labels for one in taken]
    names, classes = alike[0].names, first.classes.names
    rows = [
        {"name": a["name"], "clips": a["clips"], "first": a["f1"], "second": b["f1"], "gain": a["f1"] - b["f1"]}
        for a, b in zip(*(per_class(scores) for scores in alike), strict=True)
    ]

    def clips(mask: np.ndarray) -> list[dict[str, str]]:
        return [
            {"clip": names[i], "label": classes[alike[0].labels[i]],
             "first": classes[taken[0][i]], "second": classes[taken[1][i]]}
            for i in np.flatnonzero(mask)
        ]  # fmt: skip

    return {
        "differences": {
            name: [values[0][name] - values[1][name], *percentiles(samples - drawn[1][name])]
            for name, samples in drawn[0].items()
        },
        "right": {
            "both": int((right[0] & right[1]).sum()),
            "first": int((right[0] & ~right[1]).sum()),
            "second": int((~right[0] & right[1]).sum()),
            "neither": int((~right[0] & ~right[1]).sum()),
        },
        "classes": sorted(rows, key=lambda row: -row["gain"]),
        "won": clips(right[0] & ~right[1]),
        "lost": clips(~right[0] & right[1]),
    }
