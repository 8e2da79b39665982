"""Custom networks, losses, augmentations and readers outside ``src/`` train and are evaluated unchanged."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from commands import in_process
from conftest import ROOT

import mmn
from mmn.data.format.hdf5 import read_data
from mmn.evaluation.scores import read_scores
from mmn.inference.checkpoint import load_checkpoint
from mmn.model.layers import DropPath
from mmn.training.loss import MotionConsistencyLoss, compute_loss

CONFIGS = ROOT / "examples" / "own_parts" / "configs"
PARTS = {
    "Recurrent": ["model=recurrent", "model.hidden=16", "loss=focal", "augmentation=flicker", "modality=bone"],
    "StrongestMoment": ["model=strongest_moment", "model.width=16", "model.depth=1", "callbacks=ema"],
}


class OwnRun(NamedTuple):
    """A finished run of a custom network."""

    folder: Path
    network: str

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "best.ckpt"

    @property
    def target(self) -> str:
        return f"examples.own_parts.network.{self.network}"


@pytest.fixture(autouse=True)
def _examples_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture(scope="module", params=PARTS)
def own_run(request: pytest.FixtureRequest, jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> OwnRun:
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        result = in_process(
            "train.py", "--config-dir", str(CONFIGS), "experiment=jhmdb_joint", "logger=csv", *PARTS[request.param],
            f"data.path={jhmdb_like}", "data.num_frames=16", "data.batch_size=16", "trainer.max_epochs=1",
            "scheduler.warmup_epochs=0", f"hydra.run.dir={folder}", cwd=folder,
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return OwnRun(folder, request.param)


def test_custom_parts_train_and_are_evaluated_with_their_own_forward(own_run: OwnRun, jhmdb_like: Path) -> None:
    from examples.own_parts import network as own

    network = mmn.load_network(own_run.checkpoint, network=getattr(own, own_run.network))
    scores, clips = read_scores(own_run.folder / "scores_test.h5"), read_data(jhmdb_like).splits["test"]
    batch = mmn.prepare([clips.clip(i) for i in range(len(clips))], network=network)
    with torch.no_grad():
        expected = network(*batch)
    np.testing.assert_allclose(scores.logits, expected.numpy(), rtol=0, atol=1e-5)


def test_evaluation_loads_a_custom_network_only_if_named(own_run: OwnRun, tmp_path: Path) -> None:
    arguments = [f"ckpt_path={own_run.checkpoint}", "hydra.run.dir=out"]
    unnamed = in_process("eval.py", *arguments, cwd=tmp_path)
    assert unnamed.returncode == 1
    assert f"holds a network of {own_run.target}, which is imported only if you name it" in unnamed.stderr
    named = in_process("eval.py", *arguments, f"model._target_={own_run.target}", cwd=tmp_path)
    assert named.returncode == 0, named.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["test"] == json.loads((own_run.folder / "metrics.json").read_text())["test"]


def test_the_mmn_command_loads_a_custom_network_only_if_named(
    own_run: OwnRun, jhmdb_like: Path, tmp_path: Path
) -> None:
    options = "predict", str(own_run.checkpoint), str(jhmdb_like), "--split", "test", "--output", "p.csv", "--top", "1"
    unnamed = in_process("mmn", *options, cwd=tmp_path)
    assert f"add model._target_={own_run.target} to train.py and eval.py, --network {own_run.target}" in unnamed.stderr
    wrong = in_process("mmn", *options, "--network", "nowhere.Network", cwd=tmp_path)
    assert "--network nowhere.Network cannot be imported" in wrong.stderr
    named = in_process("mmn", *options, "--network", own_run.target, cwd=tmp_path)
    assert named.returncode == 0, named.stderr
    expected = read_scores(own_run.folder / "scores_test.h5").logits.argmax(axis=1)
    found = [int(row["index"]) for row in csv.DictReader((tmp_path / "p.csv").open())]
    assert found == expected.tolist()


def test_a_run_of_a_custom_network_is_reported(own_run: OwnRun) -> None:
    result = in_process("mmn", "report", str(own_run.folder), cwd=own_run.folder)
    assert result.returncode == 0, result.stderr
    assert (own_run.folder / "report.html").exists()


def test_a_checkpoint_never_decides_what_is_imported(small_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(small_checkpoint, weights_only=True)
    content["mmn"]["stream"] |= {"target": "os.system", "arguments": {"command": "touch broken", "num_frames": 1}}
    torch.save(content, tmp_path / "x.ckpt")
    for named in (None, {"mmn.model.mmn.MMN": mmn.MMN}):
        with pytest.raises(mmn.UserError, match=r"holds a network of os\.system"):
            load_checkpoint(tmp_path / "x.ckpt", named)


def test_a_loss_of_scales_needs_a_network_with_scales() -> None:
    from examples.own_parts.network import Recurrent

    network, loss = Recurrent(5, 3, 2, 8), MotionConsistencyLoss(consistency_weight=1.0)
    with pytest.raises(mmn.UserError, match="Recurrent has no forward_with_scale_logits"):
        compute_loss(network, loss, None)  # type: ignore[arg-type]


def test_subclasses_and_modified_networks_are_evaluated_with_their_own_forward() -> None:
    from examples.own_parts.network import Attentive, StrongestMoment

    clips, times = torch.randn(2, 8, 5, 2), torch.linspace(-1, 1, 8).expand(2, -1)
    changed = mmn.MMN(5, 3, num_frames=8, width=16, depth=1)
    changed.scales[0][0].drop_path = Doubled(0.0)  # type: ignore[index, union-attr]
    sizes = {"num_frames": 8, "width": 16, "depth": 1}
    for network in (StrongestMoment(5, 3, **sizes), Attentive(5, 3, **sizes), changed):
        network.train()
        with torch.no_grad():
            expected = network.eval()(clips, times)
        network.train()
        torch.testing.assert_close(mmn.infer(network, clips, times), expected)
        torch.testing.assert_close(mmn.infer(network.fuse(), clips, times), expected)
        assert all(module.training for module in network.modules())


def test_a_network_can_have_custom_blocks() -> None:
    from examples.own_parts.network import Attentive, AttentiveBlock

    network = Attentive(5, 3, num_frames=8, width=16, depth=2)
    assert all(type(block) is AttentiveBlock for scale in network.scales for block in scale)  # type: ignore[union-attr]
    x = torch.randn(1, 2, 5, 4)
    moved = x.clone()
    moved[0, 0, 0] += 1
    differs = network.scales[0][0].spatial(x) != network.scales[0][0].spatial(moved)  # type: ignore[index, union-attr]
    assert differs.any(dim=-1).tolist() == [[[True] * 5, [False] * 5]]


class Doubled(DropPath):
    """A residual connection that adds the branch twice."""

    def forward(self, x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        return x + 2 * branch


def test_a_custom_reader_converts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = {name: rng.normal(size=(frames, 15, 2)) for name, frames in (("a", 3), ("b", 5))}
    for name, clip in clips.items():
        np.savetxt(tmp_path / f"{name}.txt", clip.reshape(len(clip), -1))
    (tmp_path / "labels.csv").write_text("name,label,split\na,catch,train\nb,walk,test\n")
    arguments = ["convert", str(tmp_path), "x.h5", "--overwrite", "--layout=jhmdb", "--labels=labels.csv", "--format"]
    result = in_process("mmn", *arguments, "examples.own_parts.reader.read", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    data = read_data(tmp_path / "x.h5")
    np.testing.assert_allclose(data.splits["test"].clip(0), clips["b"], rtol=1e-6)
    assert [data.classes.names[data.splits[split].labels[0]] for split in ("train", "test")] == ["catch", "walk"]
    for wrong, message in (("nothing", "unknown format 'nothing'"), ("no.such", "format no.such cannot be loaded")):
        refused = in_process("mmn", *arguments, wrong, cwd=tmp_path)
        assert (refused.returncode, message in refused.stderr) == (1, True)
