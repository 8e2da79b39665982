"""Match scores of networks with different classes to the same clips."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError
from mmn.evaluation.scores import Scores


def matched(scores: Scores, clips: Scores, classes: Sequence[str]) -> NDArray[np.float32]:
    """Logits ``(N, len(classes))`` of ``scores`` for the clips of ``clips``, by name, in the order of ``classes``.

    Raises:
        UserError: no scores for a clip.
    """
    place = {name: index for index, name in enumerate(scores.names)}
    if lost := [name for name in clips.names if name not in place]:
        raise UserError(
            f"the network of {', '.join(scores.classes.names[:2])}, … has no scores for clip {lost[0]} ({len(lost)} "
            "such); score the same split of one file."
        )
    columns = [scores.classes.names.index(name) for name in classes]
    return scores.logits[np.ix_([place[name] for name in clips.names], columns)]
