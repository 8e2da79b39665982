"""Weights are carried over to another network: classes, joints and channels by name, the others by shape."""

import pytest
import torch

from mmn.data.format.classes import Classes
from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.view.joints import reduce_layout
from mmn.errors import UserError
from mmn.inference.stream import MMN_TARGET, Stream
from mmn.model.mmn import MMN
from mmn.training.transfer import CarriedOver, Origin, carry_over

JHMDB, COCO = load_layout("jhmdb"), load_layout("coco17")


def in_order(layout: Layout) -> list[str]:
    return [layout.joints[joint] for joint in layout.order]


def network(joints: int, classes: int, seed: int, corrected: bool = False) -> MMN:
    """An untrained network, with graphs other than the identity."""
    torch.manual_seed(seed)
    built = MMN(joints, classes, num_frames=16, width=16, depth=1, corrected=corrected)
    for name, entry in built.named_parameters():
        if name.endswith("graph"):
            torch.nn.init.normal_(entry)
    return built


def stream_of(layout: Layout, classes: Classes) -> Stream:
    return Stream(Preprocessing(Modality("joint"), 16), layout, classes, MMN_TARGET, {"coordinates": 2})


def started(layout: Layout, classes: list[str], own: list[str], mixing: bool = False) -> tuple[MMN, MMN, CarriedOver]:
    """A network in ``layout`` from one of JHMDB's joints; both, and what was carried over."""
    old, new = network(15, len(classes), 1, mixing), network(layout.num_joints, len(own), 2, mixing)
    stream = stream_of(layout, Classes(own, [], []))
    return old, new, carry_over(new, stream, Origin("x.ckpt", old, in_order(JHMDB), classes))


def test_everything_is_carried_over_between_equal_networks() -> None:
    names = ["run", "sit", "wave"]
    old, new, carried = started(JHMDB, names, names)
    assert all(torch.equal(entry, new.state_dict()[name]) for name, entry in old.state_dict().items())
    assert (carried.new, carried.new_classes, carried.new_joints) == ([], [], {})
    assert carried.in_words().endswith("new: none; all 15 joints kept; all other weights kept")


def test_classes_with_the_same_name_keep_their_weights() -> None:
    fresh = network(15, 3, 2).classifier.weight
    old, new, carried = started(JHMDB, ["run", "sit", "wave"], ["wave", "nod", "run"])
    theirs = old.classifier.weight
    assert torch.equal(new.classifier.weight, torch.stack([theirs[2], fresh[1], theirs[0]]))
    assert torch.equal(new.classifier.bias[[0, 2]], old.classifier.bias[[2, 0]])
    assert (carried.classes, carried.new_classes) == (["wave", "run"], ["nod"])


def test_joints_with_the_same_name_keep_their_weights_and_new_ones_copy_a_neighbour() -> None:
    old, new, carried = started(COCO, ["run"], ["run"], mixing=True)
    theirs, ours = in_order(JHMDB), in_order(COCO)
    common = [joint for joint in ours if joint in theirs]
    there, here = [theirs.index(joint) for joint in common], [ours.index(joint) for joint in common]
    assert carried.joints == common
    assert torch.equal(new.embedding.position[here], old.embedding.position[there])
    for kind in ("spatial.matrices", "msm.graph"):
        before, after = (net.state_dict()[f"scales.0.0.{kind}"] for net in (old, new))
        assert torch.equal(after[..., here, :][..., here], before[..., there, :][..., there])
        for joint, near in carried.new_joints.items():
            place, source = ours.index(joint), theirs.index(near)
            assert torch.equal(after[..., place, place], before[..., source, source])
            others = [other for other in range(len(ours)) if other != place]
            assert not after[..., others, place].any()
            assert not after[..., place, ours.index(near)].any()
    assert set(carried.new_joints) == set(ours) - set(theirs)
    assert carried.new_joints["left_ear"] in common
    place, near = ours.index("left_ear"), theirs.index(carried.new_joints["left_ear"])
    assert torch.equal(new.embedding.position[place], old.embedding.position[near])
    assert carried.new == []


def test_channels_with_the_same_name_keep_their_weights() -> None:
    before, after = (Preprocessing(Modality("all", "tree", spans=spans, distances=True), 16) for spans in ([1], [1, 4]))
    hand = reduce_layout(JHMDB, [*JHMDB.parts["left_arm"], *JHMDB.parts["torso"]])
    sizes = {"num_frames": 16, "width": 16, "depth": 1, "lift": [8, 12]}
    old = MMN(15, 1, coordinates=before.modality.channels(2, JHMDB), **sizes)
    count = after.modality.channels(2, hand)
    new = MMN(hand.num_joints, 1, coordinates=count, **sizes)
    own = new.embedding.lift[0].weight.clone()
    stream = Stream(after, hand, Classes(["run"], [], []), MMN_TARGET, {"coordinates": count})
    names = before.modality.channel_names(2, JHMDB)
    carried = carry_over(new, stream, Origin("x.ckpt", old, in_order(JHMDB), ["run"], names))
    assert carried.new_channels == [
        f"{stream} {axis} over 4" for stream in ("joint_motion", "bone_motion") for axis in "xy"
    ]
    assert "new channels: 4 (joint_motion x over 4, " in carried.in_words()
    for place, name in enumerate(after.modality.channel_names(2, hand)):
        expected = own[:, place] if name in carried.new_channels else old.embedding.lift[0].weight[:, names.index(name)]
        assert torch.equal(new.embedding.lift[0].weight[:, place], expected)


def test_a_network_without_named_channels_has_no_new_ones() -> None:
    old, new = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    stream = stream_of(JHMDB, Classes(["run"], [], []))
    carried = carry_over(new, stream, Origin("x.ckpt", old, in_order(JHMDB), ["run"], ["joint x", "bone x"]))
    assert carried.new_channels == []
    assert torch.equal(new.weight, old.weight)


@pytest.mark.parametrize("layout", [reduce_layout(JHMDB, range(4, 15)), COCO], ids=["fewer", "more"])
def test_graphs_that_do_not_mix_joints_keep_each_joints_scale(layout: Layout) -> None:
    old, new, carried = started(layout, ["run"], ["run"])
    theirs, ours = in_order(JHMDB), in_order(layout)
    there = [theirs.index(carried.new_joints.get(joint, joint)) for joint in ours]
    before, after = (torch.stack([blocks[0].msm.graph.sum(dim=0) for blocks in net.scales]) for net in (old, new))
    assert torch.allclose(after, before[:, there], atol=1e-5)


def test_weights_that_do_not_fit_at_all_are_refused() -> None:
    old = torch.nn.Linear(2, 2)
    with pytest.raises(UserError, match=r"nothing in init_from=x\.ckpt fits"):
        carry_over(network(15, 1, 1), stream_of(JHMDB, Classes(["run"], [], [])), Origin("x.ckpt", old, None, None))
