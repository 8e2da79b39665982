"""A network of body groups that sends each clip to the network of its group."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmn.errors import UserError
from mmn.evaluation.logits import log_softmax
from mmn.evaluation.matched import matched
from mmn.evaluation.scores import Scores


def routed(clips: Scores, streams: Sequence[Scores]) -> Scores:
    """Scores log p(group) + log p(action | group), the latter by the network of the group.

    The network of a group is the one with the fewest classes among those that know all its actions; a group of one
    action needs none. Scores of actions outside the group are ignored.

    Args:
        clips: names, labels and classes of the clips; their logits are not read.
        streams: scores by a network of groups, and by networks of actions.

    Raises:
        UserError: no network of groups, or several; no network for a group; scores of different clips.
    """
    groups, networks = groups_and_networks(clips, streams)
    log_group = log_softmax(matched(groups, clips, clips.classes.group_names))
    total = np.empty((len(clips.names), len(clips.classes.names)))
    for group, name in enumerate(clips.classes.group_names):
        actions = np.flatnonzero(np.array(clips.classes.group_of_class) == group)
        total[:, actions] = log_group[:, [group]]
        if len(actions) > 1:
            names = [clips.classes.names[action] for action in actions]
            total[:, actions] += log_softmax(matched(_network_of(name, names, networks), clips, names))
    checkpoints = tuple(path for stream in streams for path in stream.source.checkpoints)
    return replace(clips, logits=total.astype(np.float32), source=replace(clips.source, checkpoints=checkpoints))


def groups_and_networks(clips: Scores, streams: Sequence[Scores]) -> tuple[Scores, list[Scores]]:
    """The network of groups and the networks of actions.

    Raises:
        UserError: no network of groups, or several.
    """
    of_groups = [set(stream.classes.names) == set(clips.classes.group_names) for stream in streams]
    if of_groups.count(True) != 1:
        raise UserError(
            f"fusion=route needs one network of the groups ({', '.join(clips.classes.group_names)}), trained with "
            f"data.target=group, but {of_groups.count(True)} are given; all others must be networks of actions."
        )
    return streams[of_groups.index(True)], [one for one, groups in zip(streams, of_groups, strict=True) if not groups]


def _network_of(group: str, actions: list[str], networks: Sequence[Scores]) -> Scores:
    knowing = [network for network in networks if set(actions) <= set(network.classes.names)]
    if not knowing:
        raise UserError(
            f"no network knows all {len(actions)} actions of group {group}; train one with data.classes=[{group}]."
        )
    knowing.sort(key=lambda network: len(network.classes.names))
    if len(knowing) > 1 and len(knowing[0].classes.names) == len(knowing[1].classes.names):
        raise UserError(f"two networks know the actions of group {group} equally well; leave one out.")
    return knowing[0]
