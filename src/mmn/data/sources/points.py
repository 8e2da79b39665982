"""What pose estimators call their points, in the words of our layouts.

A layout's joint is found by name, so that any layout made of these names can be read from any estimator: body joints
as below, ``face_0…67`` (68-point convention), ``left_hand_0…20`` and ``right_hand_0…20``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmn.errors import UserError

Points = dict[str, int]
"""Name → index among an estimator's points."""

FINGERS = ("thumb", "index", "middle", "ring", "little")
_TOP_OVER_EYES = np.float32(0.54)  # eye height 0.936, shoulder height 0.818 of the stature (Drillis and Contini 1966)


def _face_and_hands(face: int, left: int, right: int) -> Points:
    """Names of a 68-point face and two 21-point hands, by the index of their first points."""
    points = {f"face_{i}": face + i for i in range(68)}
    points |= {
        "nose_bridge": face + 28,
        "nose_base": face + 33,
        "right_eye_outer_corner": face + 36,
        "left_eye_outer_corner": face + 45,
        "upper_lip": face + 51,
        "lower_lip": face + 57,
    }
    for side, root in (("left", left), ("right", right)):
        points |= {f"{side}_hand_{i}": root + i for i in range(21)} | {f"{side}_hand_root": root}
        for number, finger in enumerate(FINGERS, start=1):
            points |= {f"{side}_{finger}_tip": root + 4 * number, f"{side}_finger_{number}": root + 4 * number}
    return points


def _body(names: str) -> Points:
    return {name: i for i, name in enumerate(names.split())}


_COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle "
)

HALPE_136 = _body(
    _COCO + "head_top neck mid_hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel"
) | _face_and_hands(26, 94, 115)
"""AlphaPose's 136 points."""

WHOLEBODY_133 = _body(
    _COCO + "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel"
) | _face_and_hands(23, 91, 112)
"""COCO-WholeBody's 133 points, as MMPose and rtmlib give them."""

BODY_25 = _body(
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe left_small_toe "
    "left_heel right_big_toe right_small_toe right_heel"
) | _face_and_hands(25, 95, 116)
"""OpenPose's 25 body, 70 face and 2 × 21 hand points, one after the other."""

_MIDPOINTS = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}


def derived(joints: Sequence[str], points: Points) -> list[str]:
    """How each joint that the estimator does not give is made, a phrase each.

    Raises:
        UserError: a joint that can neither be read nor derived.
    """
    phrases = []
    for name in joints:
        if name in points:
            continue
        if name in _MIDPOINTS:
            phrases.append(f"{name} is the midpoint of {' and '.join(_MIDPOINTS[name])}")
        elif name == "head_top":
            phrases.append("head_top is estimated from eyes and shoulders")
        else:
            raise UserError(
                f"the layout has a joint {name}, which this pose format does not give; use a layout whose joints it "
                "names, such as nose, left_wrist, left_hand_8 or face_30."
            )
    return phrases


def select(clip: NDArray[np.float32], joints: Sequence[str], points: Points) -> NDArray[np.float32]:
    """Points ``(T, P, C)``, missing ones NaN → joints ``(T, V, C)``; what is derived from missing ones is missing."""

    def joint(name: str) -> NDArray[np.float32]:
        if name in points:
            return clip[:, points[name]]
        if name in _MIDPOINTS:
            a, b = _MIDPOINTS[name]
            return np.float32(0.5) * (joint(a) + joint(b))
        eyes = np.float32(0.5) * (joint("left_eye") + joint("right_eye"))
        return eyes + _TOP_OVER_EYES * (eyes - joint("neck"))

    return np.stack([joint(name) for name in joints], axis=1)
