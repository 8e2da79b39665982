"""Preprocessing of arrays in memory to network input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmn.data.format.clips import Clips, check_clips
from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing


def prepare(
    clips: Sequence[NDArray[np.floating]],
    layout: str | Path | Layout = "ma52",
    modality: str | Modality = "joint",
    num_frames: int = 64,
    bone_rule: str = "official",
    normalisation: str = "official",
    sampling: str = "official",
) -> tuple[Tensor, Tensor]:
    """Apply the evaluation preprocessing to clips.

    Args:
        clips: arrays ``(T_i, V, C)``, joints in the layout's order, in any unit.
        layout: ``ma52``, ``imigue``, ``jhmdb``, a YAML file, or a ``Layout``.
        modality: ``joint``, ``bone``, ``joint_motion``, ``bone_motion`` or ``all``; or a ``Modality``, which has
            its own bone rule.
        num_frames: frames T sampled from each clip.
        bone_rule: ``official`` or ``tree``, for bones.
        normalisation: ``official``, ``aspect`` or ``person``.
        sampling: ``official``, ``strata`` or ``warp``.

    Returns:
        ``clips (B, T, V, channels)`` in network order and frame times ``(B, T)``, both float32.

    Raises:
        UserError: the arrays are not clips of this layout, or contain non-finite values.
    """
    shown = modality if isinstance(modality, Modality) else Modality(modality, bone_rule)
    return prepare_as(Preprocessing(shown, num_frames, normalisation, Sampling(sampling)), clips, layout)


def prepare_as(
    preprocessing: Preprocessing, clips: Sequence[NDArray[np.floating]], layout: str | Path | Layout
) -> tuple[Tensor, Tensor]:
    """Apply the given preprocessing, such as a checkpoint's; see ``prepare``."""
    skeleton = layout if isinstance(layout, Layout) else load_layout(layout)
    packed = Clips.from_arrays(clips)
    check_clips(packed, skeleton.joints, 1, "the clips to prepare")
    batch = ClipFetcher(packed, skeleton, preprocessing).fetch(torch.arange(len(packed)))
    return batch.clips, batch.times
