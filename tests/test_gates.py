"""Gate weights, as drawn in the report."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.prepare import prepare
from mmn.evaluation.gates import Gates, gate_weights
from mmn.evaluation.scores import Scores, Source
from mmn.inference.checkpoint import Checkpoint
from mmn.model.mmn import MMN
from mmn.reporting import report_clips
from mmn.reporting.result import Result


def test_gates_are_weights_of_branches_and_scales(evaluated: Path) -> None:
    network = MMN(15, 14, num_frames=16, width=16, depth=1).eval()
    gates = gate_weights(network, torch.randn(3, 16, 15, 2), torch.linspace(-1, 1, 16).expand(3, -1))
    assert (gates.joints.shape, gates.times.shape, gates.scales.shape) == ((3, 3, 15), (3, 3, 16), (3, 4))
    assert (gates.joints > 0).all()
    assert (gates.joints < 1).all()
    torch.testing.assert_close(gates.scales.sum(dim=1), torch.ones(3))
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("modality", ["joint", "bone"])
def test_gates_of_official_weights_use_the_scored_modality(
    small: SkeletonData, modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def gates_of(network: MMN, clips: torch.Tensor, times: torch.Tensor) -> Gates:
        seen.append(clips)
        joints = torch.arange(15.0).expand(1, 3, 15) / 15  # weight of the joint at each index in network order
        return Gates(joints, torch.zeros(1, 3, 16), torch.zeros(1, 4))

    drawn = []
    monkeypatch.setattr(report_clips, "gate_weights", gates_of)
    monkeypatch.setattr(report_clips, "_svg", lambda pose, bones, weights: drawn.append(weights))
    clips = small.splits["test"]
    source = Source(record={"modality": modality})
    scores = Scores(clips.names, clips.labels, np.eye(14, dtype=np.float32)[clips.labels], small.classes, source)
    checkpoint = Checkpoint(MMN(15, 14, num_frames=16, width=16, depth=1), None)
    report_clips.gates_on_a_clip(Result(Path(), "test", scores, [], small, checkpoint, [scores]), [])
    assert torch.equal(seen[0], prepare([clips.clip(0)], small.layout, modality, num_frames=16)[0])
    for weights in drawn:
        assert [round(15 * weights[joint]) for joint in small.layout.order] == list(range(15))
