"""Several networks in one: each is trained by its own loss, and their class probabilities are averaged."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import QUICK, in_process, train
from torch.nn import functional as F

import mmn
from mmn.data.format.classes import Classes
from mmn.data.format.layout import load_layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.errors import UserError
from mmn.inference.checkpoint import load_checkpoint
from mmn.inference.fused_ensemble import FusedEnsemble
from mmn.inference.gpu import GpuMMN
from mmn.inference.infer import for_inference
from mmn.inference.recorded import RecordedInference
from mmn.inference.stream import ENSEMBLE_TARGET, Stream
from mmn.model.compiling import parts_of
from mmn.model.ensemble import MMNEnsemble, classifiers
from mmn.model.mmn import MMN
from mmn.training.loss import MotionConsistencyLoss, compute_loss
from mmn.training.parameters import groups_by_stage
from mmn.training.transfer import CarriedOver, Origin, carry_over

SIZES = {"num_frames": 16, "width": 16, "depth": 1, "corrected": True, "dropout": 0.0, "drop_path": 0.0}
ENSEMBLE = ["model=mmn_plus_small", "model.members=2", "modality=joint"]


@pytest.fixture
def network() -> MMNEnsemble:
    torch.manual_seed(0)
    return MMNEnsemble(5, 3, members=2, **SIZES)


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(1)
    clips, times = torch.randn(6, 16, 5, 2), torch.linspace(-1, 1, 16).expand(6, 16)
    return Batch(clips, times, torch.tensor([0, 1, 2, 2, 1, 0]), torch.arange(6))


@pytest.fixture(scope="module")
def trained(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble") / "run"
    result = train(folder, jhmdb_like, *QUICK, *ENSEMBLE)
    assert result.returncode == 0, result.stderr
    return folder


def test_probabilities_are_the_mean_of_the_members(network: MMNEnsemble, batch: Batch) -> None:
    network.eval()
    logits = network(batch.clips, batch.times)
    each = torch.stack([member(batch.clips, batch.times).softmax(dim=1) for member in network.members])
    torch.testing.assert_close(logits.exp(), each.mean(dim=0))
    assert not torch.allclose(each[0], each[1], atol=1e-3)  # weights of their own


def test_inference_fuses_every_member(network: MMNEnsemble, batch: Batch) -> None:
    network(batch.clips, batch.times)  # statistics other than the initial ones
    expected = network.eval()(batch.clips, batch.times)
    found = for_inference(network)
    assert isinstance(found, FusedEnsemble)
    torch.testing.assert_close(found(batch.clips, batch.times), expected, rtol=0, atol=1e-5)
    recorded = RecordedInference(network, compiled=False)  # on a CPU, the GPU's network runs unrecorded
    assert all(isinstance(member, GpuMMN) for member in recorded.network.members)
    torch.testing.assert_close(recorded(batch.clips, batch.times), expected, rtol=0, atol=1e-5)
    network.train()(batch.clips + 1, batch.times)
    recorded.update(network)
    torch.testing.assert_close(
        recorded(batch.clips, batch.times), network.eval()(batch.clips, batch.times), rtol=0, atol=1e-5
    )


def test_an_ensemble_with_a_custom_part_is_used_as_it_is(network: MMNEnsemble) -> None:
    class Custom(torch.nn.Linear):
        pass

    network.members[1].classifier = Custom(16, 3)
    assert for_inference(network) is network


def test_each_member_is_trained_by_its_own_loss(network: MMNEnsemble, batch: Batch) -> None:
    alone = copy.deepcopy(network.members[1])
    logits, parts = compute_loss(network, MotionConsistencyLoss(0.0), batch)
    parts.total.backward()
    own = F.cross_entropy(alone(batch.clips, batch.times), batch.labels)
    own.backward()
    assert logits.shape == (12, 3)
    both = torch.stack([F.cross_entropy(part, batch.labels) for part in logits.chunk(2)])
    torch.testing.assert_close(parts.total, both.mean())
    torch.testing.assert_close(both[1], own)
    for name, parameter in alone.named_parameters():
        found = network.members[1].get_parameter(name).grad
        torch.testing.assert_close(found, parameter.grad / 2, msg=name)


def test_the_consistency_loss_compares_each_member_with_its_own_scales(network: MMNEnsemble, batch: Batch) -> None:
    loss = MotionConsistencyLoss(0.0, consistency_weight=0.5)
    _, together = compute_loss(network, loss, batch)
    each = [compute_loss(member, loss, batch)[1] for member in network.members]
    torch.testing.assert_close(together.total, torch.stack([parts.total for parts in each]).mean())
    torch.testing.assert_close(together.consistency, torch.stack([parts.consistency for parts in each]).mean())


def test_joints_channels_and_stages_are_those_of_all_members(network: MMNEnsemble) -> None:
    state, one = network.state_dict(), network.members[0]
    assert {name.removeprefix("members.1.") for name in network.joint_axes()} >= set(one.joint_axes())
    assert len(network.joint_axes()) == 2 * len(one.joint_axes())
    assert list(network.channel_axes()) == [f"members.{index}.embedding.lift.0.weight" for index in (0, 1)]
    for name, axes in {**network.joint_axes(), **network.channel_axes()}.items():
        assert {state[name].shape[axis] for axis in axes} in ({5}, {2}), name
    assert list(classifiers(network)) == ["members.0.classifier", "members.1.classifier"]
    plain = MMNEnsemble(5, 3, members=2, num_frames=16, width=16, depth=1)
    assert len(plain.scaling_graphs()) == 2 * len(plain.members[0].scaling_graphs()) > 0
    groups, factors = groups_by_stage(network, 0.5)
    assert factors == [1.0, 0.5, 0.25, 0.125]
    last = {id(p) for layer in classifiers(network).values() for p in layer.parameters()}
    assert {id(p) for p in groups[0]["params"]} == last
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_a_custom_network_has_its_own_classifier_whatever_else_it_calls_members() -> None:
    custom = torch.nn.Module()
    custom.classifier, custom.members = torch.nn.Linear(4, 3), torch.nn.ModuleList([torch.nn.Linear(4, 4)])
    assert list(classifiers(custom)) == ["classifier"]


def test_the_parts_to_compile_are_those_of_all_members(network: MMNEnsemble) -> None:
    for ensemble in (network, for_inference(network)):
        for member in ensemble.members:  # type: ignore[union-attr]
            blocks = [block for scale in member.scales for block in scale]
            assert parts_of(member) == [member.embedding, member.pyramid, *blocks, member.fusion]
        assert parts_of(ensemble) == [part for member in ensemble.members for part in parts_of(member)]  # type: ignore[union-attr]


def test_the_summary_of_new_weights_leaves_out_the_classifiers_only() -> None:
    new = ["classifier.bias", "members.1.classifier.weight", "head.classifier.weight", "members.1.graph"]
    words = CarriedOver("old.ckpt", [], [], [], {}, [], new).in_words()
    assert words.endswith("new weights: 2 (head.classifier.weight, members.1.graph)")


def test_classes_are_matched_by_name_in_every_member() -> None:
    layout = load_layout("jhmdb")
    old, new = (MMNEnsemble(15, classes, members=2, **SIZES) for classes in (3, 2))
    own = Stream(Preprocessing(Modality("joint"), 16), layout, Classes(["run", "nod"], [], []), ENSEMBLE_TARGET, {})
    joints = [layout.joints[joint] for joint in layout.order]
    carried = carry_over(new, own, Origin("old.ckpt", old, joints, ["walk", "nod", "run"]))
    assert carried.classes == ["run", "nod"]
    assert "all other weights kept" in carried.in_words()
    for before, after in zip(old.members, new.members, strict=True):
        assert torch.equal(after.classifier.weight, before.classifier.weight[[2, 1]])
        assert torch.equal(after.embedding.position, before.embedding.position)


def test_recompute_applies_to_all_members(network: MMNEnsemble, batch: Batch) -> None:
    expected = network(batch.clips, batch.times)
    network.recompute = True
    assert network.recompute
    assert all(member.recompute for member in network.members)
    torch.testing.assert_close(network(batch.clips, batch.times), expected)


def test_the_official_code_takes_members_only(network: MMNEnsemble) -> None:
    with pytest.raises(UserError, match="the official code has no MMNEnsemble"):
        mmn.to_official(network)  # type: ignore[arg-type]
    assert mmn.to_official(network.members[0])


@pytest.mark.parametrize("members", [0, 2.5, None])
def test_the_number_of_members_is_checked(members: object) -> None:
    with pytest.raises(UserError, match=r"members is .*; use at least 1"):
        MMNEnsemble(5, 3, members=members, **SIZES)  # type: ignore[arg-type]


def test_a_run_is_one_checkpoint_that_needs_no_more_than_its_path(trained: Path, small: SkeletonData) -> None:
    loaded = mmn.load_network(trained)
    assert isinstance(loaded, MMNEnsemble)
    assert len(loaded.members) == 2
    clips = [small.splits["test"].clip(index) for index in range(3)]
    expected = mmn.infer(loaded, *mmn.prepare(clips, network=loaded)) / load_checkpoint(trained).temperature
    predictor = mmn.Predictor(trained)
    np.testing.assert_allclose(predictor.logits(clips), expected, atol=1e-5)
    _, features = predictor.examine(clips)
    assert features.shape == (3, 2 * 16)  # for mmn suggest


def test_damaged_weights_of_a_member_are_refused(trained: Path, tmp_path: Path) -> None:
    content = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    del content["state_dict"]["network.members.1.classifier.weight"]
    torch.save(content, tmp_path / "damaged.ckpt")
    with pytest.raises(UserError, match=r"classifier.weight has shape none"):
        mmn.load_network(tmp_path / "damaged.ckpt")


def finetune(run: Path, *overrides: str) -> tuple[int, str]:
    options = ["experiment=finetune", "data.batch_size=8", "scheduler.warmup_epochs=0", "trainer.max_epochs=1"]
    done = in_process("train.py", *options, "test=false", f"hydra.run.dir={run}", *overrides, cwd=run.parent)
    return done.returncode, done.stdout + done.stderr


def test_fine_tuning_takes_over_the_whole_ensemble(trained: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    code, out = finetune(tmp_path / "run", f"init_from={trained}", f"data.path={jhmdb_like}", "freeze=body")
    assert code == 0, out
    assert "all other weights kept" in out
    assert json.loads((tmp_path / "run" / "run.json").read_text())["start"]["new"] == []
    before, after = (mmn.load_network(folder).state_dict() for folder in (trained, tmp_path / "run"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"members.{i}.classifier.{part}" for i in (0, 1) for part in ("weight", "bias")}


def test_fine_tuning_a_single_network_makes_no_ensemble(
    small_checkpoint: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    start = [f"init_from={small_checkpoint}", f"data.path={jhmdb_like}"]
    code, out = finetune(tmp_path / "run", *start, "recipe=plus_small")
    assert code == 0, out
    assert isinstance(mmn.load_network(tmp_path / "run"), MMN)
