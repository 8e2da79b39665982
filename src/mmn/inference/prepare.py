"""From keypoint arrays to network input, and a check of the modality."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline import prepare as pipeline
from mmn.data.pipeline.modality import STREAMS, Modality
from mmn.errors import UserError
from mmn.inference.stream import Stream, stream_of


def prepare(
    clips: Sequence[NDArray[np.floating]],
    layout: str | Path | Layout | None = None,
    modality: str | Modality | None = None,
    num_frames: int | None = None,
    bone_rule: str | None = None,
    normalisation: str | None = None,
    sampling: str | None = None,
    *,
    network: nn.Module | None = None,
) -> tuple[Tensor, Tensor]:
    """The evaluation preprocessing of any clips, as in training.

    Args:
        clips: arrays ``(T_i, V, C)``, joints in the layout's order, in any unit.
        layout: a named one (``ma52`` by default), a YAML file, or a ``Layout``; with ``network``, the layout of the
            clips, from which the network's joints are selected.
        modality: ``joint`` (the default), ``bone``, ``joint_motion``, ``bone_motion`` or ``all``; or a ``Modality``.
        num_frames: frames T sampled from each clip; 64 by default.
        bone_rule: ``official`` (the default) or ``tree``, for bones.
        normalisation: ``official`` (the default), ``aspect`` or ``person``.
        sampling: ``official`` (the default), ``strata`` or ``warp``.
        network: a loaded network, whose ``stream`` records all of the above.

    Returns:
        ``clips (B, T, V, channels)`` in network order and frame times ``(B, T)``, both float32.

    Raises:
        UserError: arrays that are not clips of this layout, non-finite values, a network without a record of its
            modality, or options that contradict it.
    """
    given = {"layout": layout, "modality": modality, "num_frames": num_frames, "bone_rule": bone_rule}
    given |= {"normalisation": normalisation, "sampling": sampling}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if network is not None:
        stream = stream_of(network)
        if stream is None:
            raise UserError(
                "this network has no record of its layout and modality (official weights); give layout= and modality=."
            )
        if layout is not None:
            joints = stream.joints_in(layout if isinstance(layout, Layout) else load_layout(layout))
            clips = [np.asarray(clip)[:, joints] for clip in clips]
            del options["layout"]
        if options:
            raise UserError(f"{', '.join(options)} is already recorded in the network; give either it or network=.")
        return pipeline.prepare_as(stream.preprocessing, clips, stream.layout)
    return pipeline.prepare(clips, **options)


def check_modality(stream: Stream, clips: Tensor) -> None:
    """Check that the exact zeros of prepared ``clips (B, T, V, C)`` agree with the stream's modality.

    Motion is zero in the last frame, and bones are zero at joints that start none; joints have neither.

    Raises:
        UserError: naming the apparent modality.
    """
    name, order = stream.modality.name, np.array(stream.layout.order)
    if name not in STREAMS:
        return  # several streams, checked by their channels
    starts_none = stream.layout.bone_end(stream.modality.bone_rule)[order] == order
    if stream.preprocessing.normalisation == "person" and name.startswith("joint"):
        starts_none &= order != stream.layout.centre  # which is the origin, and may always be there
    boneless = np.flatnonzero(starts_none).tolist()
    motion = not bool(clips[:, -1].any())
    bones = not bool(clips[:, :, boneless].any()) if boneless else name.startswith("bone")
    fits = {
        "joint": not motion and not bones,
        "bone": bones,  # a lost person's last frame has bones of zero length
        "joint_motion": motion,  # joints may not move
        "bone_motion": motion and bones,
    }
    if fits[name] or not clips.any():
        return
    seems = ("bone" if bones else "joint") + ("_motion" if motion else "")
    raise UserError(
        f"the network expects {name}, but these clips seem to be {seems}; prepare them with "
        "mmn.prepare(clips, network=network)."
    )
