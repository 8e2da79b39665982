"""Joint positions of a standing person facing the viewer, the rest pose of synthetic clips."""

from mmn.data.sources.points import FINGERS

_MIDDLE = {
    "head_top": (0.0, -1.65),
    "nose_bridge": (0.0, -1.40),
    "face": (0.0, -1.38),
    "nose": (0.0, -1.35),
    "nose_base": (0.0, -1.31),
    "upper_lip": (0.0, -1.26),
    "lower_lip": (0.0, -1.22),
    "neck": (0.0, -1.0),
    "mouth_left": (0.05, -1.24),
    "mouth_right": (-0.05, -1.24),
    "belly": (0.0, -0.3),
    "mid_hip": (0.0, 0.0),
    "head": (0.0, -1.40),
    "spine_shoulder": (0.0, -0.96),
    "mid_spine": (0.0, -0.45),
    "spine_base": (0.0, 0.0),
}
_LEFT = {
    "eye": (0.07, -1.42),
    "eye_outer_corner": (0.10, -1.42),
    "eye_inner": (0.04, -1.42),
    "eye_outer": (0.10, -1.42),
    "ear": (0.15, -1.38),
    "shoulder": (0.36, -0.96),
    "elbow": (0.52, -0.45),
    "wrist": (0.46, 0.06),
    "hand_root": (0.45, 0.10),
    "thumb_tip": (0.35, 0.22),
    "index_tip": (0.38, 0.32),
    "middle_tip": (0.43, 0.35),
    "ring_tip": (0.48, 0.33),
    "little_tip": (0.52, 0.28),
    "hand": (0.44, 0.18),
    "hand_tip": (0.43, 0.33),
    "thumb": (0.35, 0.22),
    "index": (0.38, 0.32),
    "pinky": (0.52, 0.28),
    "hip": (0.18, 0.0),
    "knee": (0.21, 0.85),
    "ankle": (0.21, 1.68),
    "heel": (0.20, 1.75),
    "big_toe": (0.25, 1.86),
    "foot": (0.25, 1.84),
    "foot_index": (0.25, 1.86),
    "small_toe": (0.33, 1.83),
}
_LEFT |= {f"finger_{number}": _LEFT[f"{finger}_tip"] for number, finger in enumerate(FINGERS, start=1)}


def rest_position(joint: str) -> tuple[float, float] | None:
    """The position of a joint in torso lengths from the hips, x to the viewer's right, y down; None for unknown names.

    Names are those of the built-in layouts; left is the subject's.
    """
    side, _, name = joint.partition("_")
    if side in ("left", "right") and name in _LEFT:
        x, y = _LEFT[name]
        return (x if side == "left" else -x), y
    return _MIDDLE.get(joint)
