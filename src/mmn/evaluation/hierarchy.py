"""Fusion of a network of actions with one of body groups: each action is scored together with its group."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmn.errors import UserError
from mmn.evaluation.logits import log_softmax
from mmn.evaluation.matched import matched
from mmn.evaluation.scores import Scores, compute_metrics

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
"""Candidates for the weight of the groups; the smallest wins a tie."""


def actions_and_groups(streams: Sequence[Scores]) -> tuple[Scores, Scores]:
    """Order two streams as actions and groups.

    Raises:
        UserError: unless there are two streams, one of actions and one of their groups.
    """
    if len(streams) == 2:
        for actions, groups in (streams, reversed(streams)):
            if actions.classes.group_names and set(groups.classes.names) == set(actions.classes.group_names):
                return actions, groups
    raise UserError(
        "fusion=hierarchy needs two streams: a network of actions with body groups, and one that was trained with "
        "data.target=group on the same classes."
    )


def with_groups(actions: Scores, groups: Scores, weight: float | None) -> Scores:
    """Scores of actions combined with those of their groups; clips matched by name.

    Args:
        actions: scores of a network of actions.
        groups: scores of a network of their groups.
        weight: λ of log p(action) + λ · log p(its group); None for log p(group) + log p(action | group).

    Raises:
        UserError: the scores are of different clips.
    """
    names = actions.classes.group_names
    of_class = np.array(actions.classes.group_of_class)
    log_group = log_softmax(matched(groups, actions, names))
    log_action = log_softmax(actions.logits)
    if weight is None:
        chances = np.exp(log_action)
        of_group = np.stack([chances[:, of_class == group].sum(axis=1) for group in range(len(names))], axis=1)
        log_action = log_action - np.log(np.maximum(of_group, 1e-300))[:, of_class]
    total = log_action + (1.0 if weight is None else weight) * log_group[:, of_class]
    checkpoints = (*actions.source.checkpoints, *groups.source.checkpoints)
    return replace(actions, logits=total.astype(np.float32), source=replace(actions.source, checkpoints=checkpoints))


def find_weight(actions: Scores, groups: Scores) -> float:
    """The λ that minimises cross entropy on these clips, which must not be those of the reported metrics.

    Raises:
        UserError: no clip is labelled.
    """
    if not (actions.labels >= 0).any():
        raise UserError("group_weight=auto needs labelled clips to fit on; set group_weight to a number.")
    return min(WEIGHTS, key=lambda weight: compute_metrics(with_groups(actions, groups, weight))["loss"])
