"""A reader of motion-capture suits (BVH) for networks trained on MediaPipe: front view, MediaPipe joint names."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mmn.data.sources.options import ConvertOptions, Parsed
from mmn.data.sources.own_layout import own_estimator
from mmn.data.sources.readers import bvh
from mmn.data.sources.recording import Recording

NAMES = {
    "Head": "nose",
    "LeftArm": "left_shoulder",
    "LeftForeArm": "left_elbow",
    "LeftHand": "left_wrist",
    "RightArm": "right_shoulder",
    "RightForeArm": "right_elbow",
    "RightHand": "right_wrist",
    "LeftUpLeg": "left_hip",
    "RightUpLeg": "right_hip",
}


def read(source: Path, options: ConvertOptions) -> Parsed:
    """One clip per file."""
    return Parsed("motion-capture suit", map(front_view, bvh.read(source, options).recordings))


def front_view(recording: Recording) -> Recording:
    """3D positions with y up → 2D points as in a picture, with y down."""
    assert recording.estimator is not None
    names = [NAMES.get(name, name) for name in recording.estimator.points]
    points = (recording.points[..., :2] * (1, -1)).astype(np.float32)
    return replace(recording, points=points, estimator=own_estimator(names, "a suit's joints"))
