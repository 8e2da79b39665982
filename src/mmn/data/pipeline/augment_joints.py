"""Augmentations of individual joints and streams: mirroring and dropping."""

from collections.abc import Sequence
from typing import Any

import torch

from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Sample, probability, where
from mmn.data.pipeline.draws import Draws
from mmn.errors import UserError


class Mirror:
    """With probability ``p``, mirror the clip and swap the layout's left and right joints.

    If labels are used, a class that names a side becomes its counterpart; one without a counterpart is not mirrored.
    """

    stage = "joints"

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        """Mirror the clips drawn.

        Raises:
            UserError: the layout has no flip pairs.
        """
        if self.p == 0.0:
            return sample
        check_mirror(layout)
        swapped = list(range(layout.num_joints))
        for left, right in layout.flip_pairs:
            swapped[left], swapped[right] = right, left
        mirrored = sample.clips[:, :, swapped].clone()
        mirrored[..., 0].neg_()
        hit = draws.uniform(purpose, 1)[:, 0] < self.p
        labels, counterparts = sample.labels, sample.mirrored
        if labels is not None and counterparts is not None:
            hit = hit & (counterparts >= 0)
            labels, counterparts = torch.where(hit, counterparts, labels), torch.where(hit, labels, counterparts)
        lost = sample.lost
        if lost is not None:
            lost = torch.where(hit.unsqueeze(1), lost[:, swapped], lost)
        return sample._replace(
            clips=where(hit, mirrored, sample.clips), labels=labels, mirrored=counterparts, lost=lost
        )


class DropJoints:
    """With probability ``p``, drop each joint of the clip in all frames with probability ``share``."""

    stage = "joints"

    def __init__(self, p: float, share: float = 0.1) -> None:
        self.p, self.share = probability(p), probability(share)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        uniform = draws.uniform(purpose, 1 + layout.num_joints)
        lost = (uniform[:, :1] < self.p) & (uniform[:, 1:] < self.share)  # (B, V)
        return sample._replace(lost=lost if sample.lost is None else sample.lost | lost)


class DropParts:
    """With probability ``p``, drop one of the layout's body parts in all frames."""

    stage = "joints"

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        chance, choice = draws.uniform(purpose, 2).unbind(1)
        part = (choice * len(layout.parts)).long().masked_fill(chance >= self.p, -1)
        part_of_joint = torch.empty(layout.num_joints, dtype=torch.long)
        for number, joints in enumerate(layout.parts.values()):
            part_of_joint[joints] = number
        lost = part.unsqueeze(1) == part_of_joint.to(part.device)  # (B, V)
        return sample._replace(lost=lost if sample.lost is None else sample.lost | lost)


class DropStreams:
    """With probability ``p``, keep each stream of a multi-stream clip with probability ½, and at least one.

    A network trained this way works with any subset of its streams.
    """

    stage = "channels"

    def __init__(self, p: float) -> None:
        self.p = probability(p)

    def __call__(self, sample: Sample, draws: Draws, purpose: int, layout: Layout) -> Sample:
        count = len(sample.widths)
        if count < 2:
            raise UserError("DropStreams needs several streams; use modality=all or remove it.")
        uniform = draws.uniform(purpose, 2 + count)
        kept = uniform[:, 2:] < 0.5
        always = (uniform[:, 1:2] * count).long()  # (B, 1)
        kept = kept.scatter(1, always, True) | (uniform[:, :1] >= self.p)
        stream = torch.arange(count).repeat_interleave(torch.tensor(sample.widths))  # of each channel
        keep = kept.index_select(1, stream.to(kept.device, non_blocking=True)).to(sample.clips.dtype)  # (B, channels)
        return sample._replace(clips=sample.clips * keep[:, None, None])


def mirrored_share(steps: Sequence[Any]) -> float:
    """The share of clips that the steps leave mirrored; clips mirrored twice are not."""
    share = 0.0
    for step in steps:
        share += (1 - 2 * share) * step.p if isinstance(step, Mirror) else 0.0
    return share


def check_mirror(layout: Layout) -> None:
    """Check that clips in a layout can be mirrored.

    Raises:
        UserError: the layout has no flip pairs.
    """
    if not layout.flip_pairs:
        raise UserError(
            "mirroring needs the layout's flip_pairs (its left and right joints), and it has none; add them "
            "and convert again, or remove Mirror and tta.flip."
        )
