"""Fine-tuning copies all weights that fit: classes and joints by name, official weights included."""

import copy
import json
from pathlib import Path

import pytest
import torch
from commands import Ended, in_process
from conftest import FIXTURES

from mmn.data.format.layout import load_layout
from mmn.data.synthetic.synthesize import synthesize
from mmn.engine.resume import check_resume
from mmn.errors import UserError
from mmn.inference.checkpoint import load_checkpoint
from mmn.model.mmn import MMN
from mmn.training.parameters import freeze_body, groups_by_stage

JHMDB, COCO = load_layout("jhmdb"), load_layout("coco17")


def test_learning_rates_fall_from_the_classifier_to_the_embedding() -> None:
    built = MMN(5, 3, num_frames=16, width=16, depth=1)
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
    theirs, ours = ([layout.joints[joint] for joint in layout.order] for layout in (JHMDB, COCO))
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
