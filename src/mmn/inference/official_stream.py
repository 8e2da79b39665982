"""The stream of official weights, which record only their sizes."""

from pathlib import Path

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.layout import load_layout
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.errors import UserError
from mmn.inference.checkpoint import Checkpoint
from mmn.inference.stream import MMN_TARGET, Stream


def official_stream(
    path: str | Path, checkpoint: Checkpoint, layout: str | Path | None, modality: str | None
) -> Stream:
    """The stream of official weights of a given layout and modality, with the official preprocessing.

    Class names are the layout's if their number matches the network's, else ``class 0`` and so on.

    Args:
        path: the file of the weights.
        checkpoint: its content.
        layout: a built-in one, or a YAML file.
        modality: ``joint``, ``bone``, ``joint_motion`` or ``bone_motion``.

    Raises:
        UserError: no layout or modality, or a layout with a different number of joints.
    """
    if layout is None or modality is None:
        raise UserError(
            f"{path} holds official weights, which do not record their layout and modality; give both, as in "
            "--layout ma52 --modality bone."
        )
    skeleton, classes, sizes = load_layout(layout), load_classes(layout), checkpoint.arguments
    if len(skeleton.order) != sizes["num_joints"]:
        raise UserError(
            f"{path} has {sizes['num_joints']} joints, but the layout {layout} has {len(skeleton.order)}; give the "
            "layout it was trained with."
        )
    if classes is None or len(classes.names) != sizes["num_classes"]:
        classes = Classes([f"class {index}" for index in range(sizes["num_classes"])], [], [])
    preprocessing = Preprocessing(Modality(modality), sizes["num_frames"])
    return Stream(preprocessing, skeleton, classes, MMN_TARGET, sizes)
