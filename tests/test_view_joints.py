"""Layouts restricted to some joints: order, parts, bones, pairs and centre."""

import numpy as np
import pytest

from mmn.data.format.layout import NAMED, Layout, load_layout
from mmn.data.view.joints import chosen_joints, reduce_layout


def test_order_parts_bones_pairs_and_centre_follow_the_joints() -> None:
    reduced = reduce_layout(load_layout("jhmdb"), [0, 3, 4, 8, 11, 12])  # neck, shoulders, left elbow, wrists
    assert reduced == Layout(
        joints=["neck", "right_shoulder", "left_shoulder", "left_elbow", "right_wrist", "left_wrist"],
        bones=[(1, 0), (2, 0), (3, 2), (4, 1), (5, 3)],  # the right wrist's bone skips the elbow
        parts={"right_arm": [1, 4], "left_arm": [2, 3, 5], "torso": [0]},
        centre=0,  # belly is left out
        flip_pairs=[(2, 1), (5, 4)],
    )


def test_a_disconnected_joint_gets_a_bone_to_the_nearest_joint_towards_the_centre() -> None:
    """Bones of b and c end in a joint that is left out: c is connected to b, not to the centre a."""
    layout = Layout(list("abxc"), [(1, 2), (3, 2), (1, 0)], {"all": [0, 1, 2, 3]}, 0, [])
    assert reduce_layout(layout, [0, 1, 3]).bones == [(1, 0), (2, 1)]
    assert reduce_layout(layout, [0, 3]).bones == [(1, 0)]


@pytest.mark.parametrize("name", NAMED)
def test_connected_joints_stay_connected(name: str) -> None:
    layout = load_layout(name)
    assert reduce_layout(layout, range(layout.num_joints)) == layout
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = np.flatnonzero(rng.random(layout.num_joints) < rng.uniform(0.1, 0.9)).tolist() or [0]
        reduced = reduce_layout(layout, joints)
        assert len(reduced.walk(reduced.centre)) == reduced.num_joints
        assert Layout.from_dict(reduced.as_dict(), "a test") == reduced


@pytest.mark.parametrize(
    ("wanted", "joints"),
    [
        (["left_arm"], [4, 8, 12]),
        (["left_arm", "*_wrist", "face"], [2, 4, 8, 11, 12]),
        (["torso", "-face"], [0, 1]),
        (["-left_arm"], [0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14]),
        (["-*arm", "-*nothing*"], [0, 1, 2, 5, 6, 9, 10, 13, 14]),
        (["neck", "neck"], [0]),
    ],
)
def test_joints_are_selected_by_part_name_or_pattern(wanted: list[str], joints: list[int]) -> None:
    assert chosen_joints(load_layout("jhmdb"), wanted, "x") == joints


def test_what_is_left_out_stays_out_in_any_order() -> None:
    coco = load_layout("coco17")
    first, last = (
        chosen_joints(coco, wanted, "x") for wanted in (["-left_wrist", "left_arm"], ["left_arm", "-left_wrist"])
    )
    assert first == last
    assert coco.joints.index("left_wrist") not in first
