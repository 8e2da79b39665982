"""Fine-tuning copies all weights that fit: classes and joints by name, official weights included."""

import copy
import json
from pathlib import Path

import pytest
import torch
from commands import Ended, in_process
from conftest import FIXTURES

from mmn.data.format.classes import Classes
from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.synthetic.synthesize import synthesize
from mmn.data.view.joints import reduce_layout
from mmn.engine.resume import check_resume
from mmn.errors import UserError
from mmn.inference.checkpoint import load_checkpoint
from mmn.inference.stream import MMN_TARGET, Stream
from mmn.model.mmn import MMN
from mmn.training.parameters import freeze_body, groups_by_stage
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


def test_learning_rates_fall_from_the_classifier_to_the_embedding() -> None:
    built = network(5, 3, 1)
    groups, factors = groups_by_stage(built, 0.5)
    assert factors == [1.0, 0.5, 0.25, 0.125]
    assert {id(p) for p in groups[0]["params"]} == {id(p) for p in built.classifier.parameters()}
    assert any(p is built.embedding.position for p in groups[-1]["params"])
    counted = [id(p) for group in groups for p in group["params"]]
    assert sorted(counted) == sorted(id(p) for p in built.parameters())
    with pytest.raises(UserError, match=r"Linear has no stages\(\)"):
        groups_by_stage(torch.nn.Linear(2, 2), 0.5)
    with pytest.raises(UserError, match="Linear has no classifier"):
        freeze_body(torch.nn.Linear(2, 2))


def finetune(folder: Path, *overrides: str) -> Ended:
    options = [
        "data.batch_size=8",
        "scheduler.warmup_epochs=0",
        "trainer.max_epochs=1",
        "test=false",
        f"hydra.run.dir={folder}",
    ]
    return in_process("train.py", "experiment=finetune", *options, *overrides, cwd=folder.parent)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with another layout and two classes, one of them the checkpoint's."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "layout.yaml").write_text(json.dumps({**COCO.as_dict(), "classes": ["nod", "run"]}))
    synthesize(
        folder / "other.h5", folder / "layout.yaml", clips_per_class=8, val_per_class=1, test_per_class=1,
        frames=(12, 20), seed=3,
    )  # fmt: skip
    return folder / "other.h5"


@pytest.fixture(scope="module")
def frozen(jhmdb_like: Path, small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-epoch run with a frozen body, on the checkpoint's own layout and classes."""
    run = tmp_path_factory.mktemp("frozen") / "run"
    result = finetune(run, f"init_from={small_checkpoint}", f"data.path={jhmdb_like}", "freeze=body")
    assert result.returncode == 0, result.stderr
    assert "classes kept: 14 (" in result.stdout
    assert json.loads((run / "run.json").read_text())["start"]["new"] == []
    return run / "checkpoints" / "last.ckpt"


def test_a_frozen_body_keeps_its_bits_when_resumed(
    frozen: Path, jhmdb_like: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    arguments = [f"data.path={jhmdb_like}", "trainer.max_epochs=2", f"ckpt_path={frozen}"]
    assert "freeze is none, but the run of" in finetune(tmp_path / "no", *arguments).stderr
    other_rates = finetune(tmp_path / "no", *arguments, "freeze=body", "optimizer.layer_decay=0.5")
    assert "layer_decay is 0.5, but the run of" in other_rates.stderr
    result = finetune(tmp_path / "more", *arguments, "freeze=body", "optimizer.lr=0.01")
    assert result.returncode == 0, result.stderr
    last = tmp_path / "more" / "checkpoints" / "last.ckpt"
    old, new = load_checkpoint(small_checkpoint), load_checkpoint(last)
    assert new.stream.preprocessing == old.stream.preprocessing  # bones, 16 frames
    before, after = old.network.state_dict(), new.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    rates = [group["lr"] for group in torch.load(last, weights_only=True)["optimizer_states"][0]["param_groups"]]
    share = (rates[0] - 1e-6) / (0.01 - 1e-6)  # of the way from the schedule's end to the peak
    assert rates == pytest.approx([1e-6 + share * (0.01 * 0.75**stage - 1e-6) for stage in range(4)])


def test_runs_older_than_these_settings_are_resumed(frozen: Path, tmp_path: Path) -> None:
    content = torch.load(frozen, weights_only=True)
    config = content["mmn"]["run"]["config"]
    config |= {"freeze": "none", "optimizer": {**config["optimizer"], "layer_decay": 1.0}}
    record = copy.deepcopy(content["mmn"]["run"])
    del config["freeze"], config["optimizer"]["layer_decay"]
    torch.save(content, tmp_path / "old.ckpt")
    assert check_resume(tmp_path / "old.ckpt", record) == ((1, 0), "")


def test_finetuning_on_another_layout_and_other_classes(other: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = finetune(run, f"init_from={small_checkpoint}", f"data.path={other}", "modality=joint")
    assert result.returncode == 0, result.stderr
    start = json.loads((run / "run.json").read_text())["start"]
    assert start["source"] == str(small_checkpoint)
    assert (start["classes"], start["new_classes"], "left_wrist" in start["joints"]) == (["run"], ["nod"], True)
    stream = load_checkpoint(run / "checkpoints" / "last.ckpt").stream
    assert (stream.modality.name, stream.num_frames, stream.arguments["width"]) == ("joint", 16, 16)


def test_new_joints_of_a_frozen_body_are_trained(other: Path, small_checkpoint: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = finetune(run, f"init_from={small_checkpoint}", f"data.path={other}", "freeze=body")
    assert result.returncode == 0, result.stderr
    old, new = (load_checkpoint(p).network for p in (small_checkpoint, run / "checkpoints" / "last.ckpt"))
    theirs, ours = in_order(JHMDB), in_order(COCO)
    common = [joint for joint in ours if joint in theirs]
    there, here = [theirs.index(joint) for joint in common], [ours.index(joint) for joint in common]
    assert torch.equal(new.embedding.position[here], old.embedding.position[there])
    graphs = [net.scales[0][0].spatial.matrices for net in (old, new)]
    assert torch.equal(graphs[1][:, here][:, :, here], graphs[0][:, there][:, :, there])
    scales = [net.scales[0][0].msm.graph.sum(dim=0) for net in (old, new)]
    assert torch.allclose(scales[1][here], scales[0][there])
    added, near = new.embedding.position[ours.index("nose")], old.embedding.position
    assert not any(torch.equal(added, row) for row in near)
    assert torch.equal(new.scales[0][0].split.weight, old.scales[0][0].split.weight)


def test_finetuning_from_official_weights(other: Path, tmp_path: Path) -> None:
    official = FIXTURES / "official_small.pt"
    layout = tmp_path / "ten.yaml"
    joints = COCO.joints[:10]
    layout.write_text(json.dumps({"joints": joints, "bones": [], "parts": {"all": joints}, "centre": 0}))
    start = [f"init_from={official}", f"data.path={other}", "data.num_frames=16"]
    result = finetune(tmp_path / "run", *start, f"init_layout={layout}")
    assert result.returncode == 0, result.stderr
    assert "joints kept: 10 (" in result.stdout


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([], "transfer=true needs weights to start from; give init_from=CKPT"),
        (["transfer=false", "freeze=body"], "freeze=body needs weights to start from"),
        (["freeze=head"], "freeze is head; choose none, or body"),
        (["transfer=false", "init_from=CKPT", "init_layout=ma52"], "init_layout=ma52 is only for transfer=true"),
        (["init_from=CKPT", "init_layout=ma52"], "records its own layout; leave init_layout=ma52 out"),
        (["init_from=OFFICIAL"], "has 10 unnamed joints, but the clips have 15; name"),
        (["init_from=OFFICIAL", "init_layout=ma52"], "has 10 joints, but init_layout=ma52 has 44"),
        (["init_from=CKPT", "optimizer.layer_decay=2"], "optimizer.layer_decay is 2; it must be a number from 0 to 1"),
        (["init_from=nothing.ckpt"], "there is no checkpoint nothing.ckpt"),
    ],
)
def test_user_errors_are_one_sentence(
    jhmdb_like: Path, small_checkpoint: Path, tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    places = {"CKPT": str(small_checkpoint), "OFFICIAL": str(FIXTURES / "official_small.pt")}
    given = [f"{key}={places.get(value, value)}" for key, _, value in (o.partition("=") for o in overrides)]
    result = finetune(tmp_path / "run", f"data.path={jhmdb_like}", *given)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
