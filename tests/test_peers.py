"""The peer networks in examples/peers: shapes, graphs, and a training step with their configs."""

from pathlib import Path

import pytest
import torch
from commands import ROOT, in_process

from examples.peers.ctrgcn import CTRGCN, skeleton_graphs
from examples.peers.ddnet import DDNet
from mmn.data.format.layout import load_layout


@pytest.mark.parametrize("network", [DDNet(15, 14, 2, 32, filters=8), CTRGCN(15, 14, 2, 32, "jhmdb", width=8)])
def test_peers_classify_joints(network: torch.nn.Module) -> None:
    clips = torch.randn(3, 32, 15, 2)
    logits = network.eval()(clips, torch.zeros(3, 32))
    assert logits.shape == (3, 14)
    torch.testing.assert_close(network(clips[1:2], torch.zeros(1, 32)), logits[1:2], rtol=1e-4, atol=1e-5)


def test_joint_distances_do_not_depend_on_the_position_of_the_body() -> None:
    network = DDNet(5, 3, 2, 16, filters=8).eval()
    clips = torch.randn(2, 16, 5, 2)
    torch.testing.assert_close(network(clips + 4.0, torch.zeros(2, 16)), network(clips, torch.zeros(2, 16)))


def test_graphs_connect_joints_to_the_centre_and_back_in_network_order() -> None:
    layout = load_layout("jhmdb")
    own, inward, outward = skeleton_graphs(layout, 15)
    neck, shoulder = layout.order.index(0), layout.order.index(3)
    assert torch.equal(own, torch.eye(15))
    assert inward[neck, shoulder] > 0
    assert inward[shoulder, neck] == 0
    assert outward[shoulder, neck] == 1
    assert torch.equal((inward > 0), (outward > 0).t())


@pytest.mark.parametrize("model", ["ddnet model.filters=4", "ctrgcn model.width=8 model.layout=jhmdb"])
def test_peers_train_with_the_fast_recipe(model: str, jhmdb_like: Path, tmp_path: Path) -> None:
    name, *options = model.split()
    result = in_process(
        "train.py", "--config-dir", str(ROOT / "examples/peers/configs"), "experiment=jhmdb_joint", "recipe=fast",
        f"model={name}", *options, f"data.path={jhmdb_like}", "data.num_frames=16", "logger=csv",
        "trainer.max_epochs=1", "scheduler.warmup_epochs=0", f"hydra.run.dir={tmp_path}", cwd=ROOT,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "metrics.json").exists()
