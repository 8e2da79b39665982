"""Body groups of a challenge file, ranked in one of three ways, and the metrics of each way."""

from dataclasses import replace

import numpy as np

from mmn.data.format.classes import Classes
from mmn.data.format.clips import UNKNOWN
from mmn.evaluation.choices import GroupColumns
from mmn.evaluation.logits import softmax
from mmn.evaluation.matched import matched
from mmn.evaluation.predictions import labelled, predictions
from mmn.evaluation.scores import Scores, compute_metrics


def group_scores(scores: Scores, columns: GroupColumns, network: Scores | None = None) -> Scores:
    """Scores of the body groups, from scores of the actions.

    Args:
        scores: of actions with groups; calibrated, if probabilities are summed.
        columns: how groups are ranked; with ``action``, only the first place is meaningful.
        network: scores by a network of the groups, for ``network``.
    """
    classes, group = scores.classes, np.array(scores.classes.group_of_class)
    inside = np.eye(len(classes.group_names))[group]  # (K, G)
    if columns == "network":
        assert network is not None
        logits = matched(network, scores, classes.group_names)
    elif columns == "marginal":
        logits = np.log(np.maximum(softmax(scores.logits) @ inside, 1e-12))
    else:
        logits = inside[predictions(scores)]
    labels = np.where(scores.labels == UNKNOWN, UNKNOWN, group[scores.labels])
    groups = Classes(classes.group_names, [], [])
    return replace(scores, labels=labels, logits=logits.astype(np.float32), classes=groups)


def group_metrics(scores: Scores, network: Scores | None = None) -> dict[str, dict[str, float]]:
    """Body F1 and F1 mean in percent for each possible way of ranking; empty without groups or labels.

    Args:
        scores: as for ``group_scores``.
        network: scores by a network of the groups, if any.
    """
    known = labelled(scores)
    if not known.names or not known.classes.group_names:
        return {}
    ways: tuple[GroupColumns, ...] = ("action", "marginal", "network") if network else ("action", "marginal")
    actions = compute_metrics(known)
    found: dict[str, dict[str, float]] = {}
    for way in ways:
        bodies = compute_metrics(group_scores(known, way, network))
        four = [actions["action_f1_macro"], actions["top1"], bodies["action_f1_macro"], bodies["top1"]]
        found[way] = {"body_f1_macro": four[2], "body_f1_micro": four[3], "f1_mean": float(np.mean(four))}
    return found
