"""The points of pose estimators, under the joint names of our layouts.

A layout's joints are found by name, so any layout made of these names can be read from any estimator: body joints as
below, ``face_0…67`` (68-point convention), ``left_hand_0…20`` and ``right_hand_0…20``.
"""

from typing import NamedTuple

Points = dict[str, int]
"""Name → index among an estimator's points."""

FINGERS = ("thumb", "index", "middle", "ring", "little")


class Estimator(NamedTuple):
    """A pose estimator's set of points.

    Attributes:
        words: description of the points, for messages.
        size: number of points.
        points: their names.
        layout: the built-in layout that fits them.
        hint: which model or option gives more points; may be empty.
    """

    words: str
    size: int
    points: Points
    layout: str
    hint: str = ""


def _face_and_hands(face: int, left: int, right: int) -> Points:
    """Names of a 68-point face and two 21-point hands, given the index of the first point of each."""
    points = {f"face_{i}": face + i for i in range(68)}
    points |= {
        "nose_bridge": face + 28,
        "nose_base": face + 33,
        "right_eye_outer_corner": face + 36,
        "left_eye_outer_corner": face + 45,
        "upper_lip": face + 51,
        "lower_lip": face + 57,
    }
    return points | _hand("left", left) | _hand("right", right)


def _hand(side: str, root: int) -> Points:
    """Names of a 21-point hand whose first point is ``root``."""
    points = {f"{side}_hand_{i}": root + i for i in range(21)} | {f"{side}_hand_root": root}
    for number, finger in enumerate(FINGERS, start=1):
        points |= {f"{side}_{finger}_tip": root + 4 * number, f"{side}_finger_{number}": root + 4 * number}
    return points


def _body(names: str) -> Points:
    return {name: i for i, name in enumerate(names.split())}


_COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle "
)
_HALPE = _COCO + "head_top neck mid_hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel"
_BODY_25 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe left_small_toe "
    "left_heel right_big_toe right_small_toe right_heel"
)
_OPENPOSE_18 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
)

COCO_17 = _body(_COCO)
"""COCO's 17 points: AlphaPose, MMPose, rtmlib and YOLO."""

HALPE_26 = _body(_HALPE)
"""AlphaPose's and rtmlib's 26 body points."""

HALPE_136 = HALPE_26 | _face_and_hands(26, 94, 115)
"""AlphaPose's 136 points."""

WHOLEBODY_133 = _body(
    _COCO + "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel"
) | _face_and_hands(23, 91, 112)
"""COCO-WholeBody's 133 points, as MMPose and rtmlib give them."""

BODY_25 = _body(_BODY_25) | _face_and_hands(25, 95, 116)
"""OpenPose's 25 body, 70 face and 2 × 21 hand points, concatenated."""

OPENPOSE_18 = _body(_OPENPOSE_18) | _face_and_hands(18, 88, 109)
"""OpenPose's older 18 body points, then face and hands."""

NTU_25 = _body(
    "spine_base mid_spine neck head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
    "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot "
    "spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb"
)
"""Kinect 2's 25 joints, as in NTU RGB+D."""

KINECT_20 = _body(
    "spine_base mid_spine spine_shoulder head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
    "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot"
)
"""Kinect 1's 20 joints, in the order of its SDK."""

_BLAZEPOSE = (
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
    "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_foot_index right_foot_index"
)
_SAME = {
    "thumb_tip": "thumb",
    "index_tip": "index",
    "little_tip": "pinky",
    "big_toe": "foot_index",
    "small_toe": "foot_index",
}

BLAZEPOSE_33 = _body(_BLAZEPOSE) | {
    f"{side}_{ours}": _body(_BLAZEPOSE)[f"{side}_{theirs}"]
    for side in ("left", "right")
    for ours, theirs in _SAME.items()
}
"""MediaPipe's 33 body points; its single toe point serves as both big and small toe."""

# Indices in MediaPipe's face mesh of the 68 points of the usual convention.
_MESH = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),  # brows
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)


def holistic(mesh: int) -> Points:
    """MediaPipe's body, face mesh of ``mesh`` points, and hands, concatenated."""
    left = 33 + mesh
    usual = _face_and_hands(0, left, left + 21)
    face = {name: 33 + _MESH[point] for name, point in usual.items() if "hand" not in name and point < len(_MESH)}
    return BLAZEPOSE_33 | face | _hand("left", left) | _hand("right", left + 21)


_MORE = "; a model of 133 or 136 points has feet, face and hands"
COCO17 = Estimator("COCO's 17 points", 17, COCO_17, "coco17", _MORE)
HALPE26 = Estimator("Halpe's 26 points", 26, HALPE_26, "halpe26", _MORE)
HALPE136 = Estimator("Halpe's 136 points", 136, HALPE_136, "ma52")
WHOLEBODY133 = Estimator("COCO-WholeBody's 133 points", 133, WHOLEBODY_133, "ma52")
OPENPOSE25 = Estimator("OpenPose's 25 body points, face and hands", 137, BODY_25, "body25")
OPENPOSE18 = Estimator("OpenPose's 18 body points, face and hands", 130, OPENPOSE_18, "openpose18")
OPENPOSE18_BODY = Estimator("OpenPose's 18 body points", 18, _body(_OPENPOSE_18), "openpose18")
OPENPOSE25_BODY = Estimator("OpenPose's 25 body points", 25, _body(_BODY_25), "body25")
NTU25 = Estimator("Kinect's 25 joints", 25, NTU_25, "ntu25")
KINECT20 = Estimator("Kinect's 20 joints", 20, KINECT_20, "kinect20")
BLAZEPOSE33 = Estimator("MediaPipe's 33 points", 33, BLAZEPOSE_33, "blazepose33", "; Holistic has face and hands")
HOLISTIC = {
    33 + mesh + 42: Estimator("MediaPipe's body, face and hands", 33 + mesh + 42, holistic(mesh), "blazepose33")
    for mesh in (468, 478)
}

BY_COUNT = {
    e.size: e
    for e in (COCO17, HALPE26, HALPE136, WHOLEBODY133, OPENPOSE25, OPENPOSE18_BODY, BLAZEPOSE33, *HOLISTIC.values())
}
"""Number of points → estimator, for numbers that identify one."""
