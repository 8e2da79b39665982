"""The network on its own."""

import pytest
import torch

import mmn
from mmn.model.kernels import frame_difference, pad_replicate
from mmn.model.layers import DropPath
from mmn.model.modulation import SkeletalModulation

SMALL = {"width": 32, "depth": 1}


def batch(network: mmn.MMN, clips: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    config = network.config
    shape = (clips, config["num_frames"], config["num_joints"], config["coordinates"])
    return torch.randn(shape), torch.linspace(-1, 1, config["num_frames"]).expand(clips, -1)


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_joints": 1, "num_classes": 1, "width": 16, "num_frames": 16},
        {"num_joints": 5, "num_classes": 3, "coordinates": 3},
        {"num_joints": 5, "num_classes": 3, "num_frames": 8},
        {"num_joints": 5, "num_classes": 3, "scales": 2, "num_frames": 6},
        {"num_joints": 133, "num_classes": 3, "heads": 2, "depth": 2},
        {"num_joints": 5, "num_classes": 3, "corrected": True},
    ],
)
def test_any_sizes_that_fit_together_give_logits(sizes: dict) -> None:
    network = mmn.MMN(**{**SMALL, **sizes})
    logits = mmn.infer(network, *batch(network))
    assert logits.shape == (2, sizes["num_classes"])
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"num_joints": 0}, "num_joints is 0"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"coordinates": 0}, "coordinates is 0"),
        ({"lift": [32, 0]}, r"lift is \[32, 0\]"),
        ({"width": 100}, "width is 100; with 4 heads, use a multiple of 16"),
        ({"num_frames": 60}, "num_frames is 60; with 4 scales, use a multiple of 8"),
        ({"heads": 0}, "heads is 0"),
        (
            {"num_joints": 1, "num_frames": 8},
            "num_frames 8, scales 4 and num_joints 1 leave",
        ),
        ({"drop_path": 1.0}, "drop_path is 1.0"),
        ({"mlp_ratio": 0.0}, "mlp_ratio is 0.0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_one_sentence(sizes: dict, sentence: str) -> None:
    with pytest.raises(mmn.UserError, match=sentence):
        mmn.MMN(**{"num_joints": 5, "num_classes": 3, **sizes})


def test_clips_of_another_shape_are_refused() -> None:
    network = mmn.MMN(5, 3, **SMALL)
    clips, times = batch(network)
    with pytest.raises(mmn.UserError, match=r"expects clips \(B, 64, 5, 2\)"):
        network(clips[:, :, :4], times)
    with pytest.raises(mmn.UserError, match="and times"):
        network(clips, times[:, :10])


def test_a_clip_gets_the_same_logits_alone_and_in_a_batch() -> None:
    network = mmn.MMN(5, 3, **SMALL)
    clips, times = batch(network, 4)
    together = mmn.infer(network, clips, times)
    alone = torch.cat([mmn.infer(network, clips[i : i + 1], times[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_bf16_inference_stays_close_and_returns_float32() -> None:
    network = mmn.MMN(5, 3, **SMALL)
    clips, times = batch(network)
    low = mmn.infer(network, clips, times, precision="bf16")
    assert low.dtype == torch.float32
    single = mmn.infer(network, clips, times)
    torch.testing.assert_close(low, single, atol=0.1, rtol=0)
    assert not torch.equal(low, single)


def test_scales_share_the_classifier() -> None:
    network = mmn.MMN(5, 3, **SMALL).eval()
    clips, times = batch(network)
    logits, scales = network.forward_with_scale_logits(clips, times)
    assert scales.shape == (4, 2, 3)
    assert not any(torch.equal(scale, logits) for scale in scales)
    torch.testing.assert_close(logits, network(clips, times))


def test_the_official_graph_step_never_mixes_joints_and_the_corrected_one_does() -> None:
    motion = torch.randn(1, 3, 4, 8)
    changed = motion.clone()
    changed[:, :, 0] += 1.0
    for mix, moved in ((False, False), (True, True)):
        msm = SkeletalModulation(8, 4, mix_joints=mix).eval()
        torch.nn.init.normal_(msm.graph)
        difference = msm(motion)[0] - msm(changed)[0]
        assert bool(difference[:, :, 1:].abs().max() > 0) is moved


def test_the_last_frame_difference_is_repeated() -> None:
    x = torch.tensor([1.0, 3.0, 7.0]).view(1, 3, 1, 1)
    assert frame_difference(x).flatten().tolist() == [2.0, 4.0, 4.0]
    assert frame_difference(x[:, :1]).flatten().tolist() == [0.0]


def test_padding_repeats_the_end_frames() -> None:
    x = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    assert pad_replicate(x, 1, 2).flatten().tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]


def test_biases_before_a_batch_normalisation_can_be_left_out_of_training() -> None:
    names = {"pyramid.steps.0.conv.bias", "fusion.align.0.conv.bias", "fusion.gate.reduce.bias"}
    for freeze in (False, True):
        network = mmn.MMN(5, 3, **SMALL, scales=2, drop_path=0.0, dropout=0.0, freeze_biases=freeze)
        assert {name for name, p in network.named_parameters() if not p.requires_grad} == (names if freeze else set())
        clips, times = batch(network)
        before = network(clips, times)
        with torch.no_grad():
            for name in names:
                network.get_parameter(name).add_(torch.randn(32))
        torch.testing.assert_close(network(clips, times), before, rtol=0, atol=1e-5)  # nothing depends on them


def test_drop_path_drops_whole_clips_in_training_and_none_in_evaluation() -> None:
    drop = DropPath(0.5)
    x, branch = torch.zeros(1000, 1, 1, 2), torch.ones(1000, 1, 1, 2)
    y = drop(x, branch)
    assert set(y.flatten().tolist()) == {0.0, 2.0}
    assert (y[..., 0] == y[..., 1]).all()
    assert torch.equal(drop.eval()(x, branch), branch)


def test_drop_path_rises_linearly_over_all_blocks() -> None:
    rates = [m.rate for m in mmn.MMN(5, 3, width=32).modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx(torch.linspace(0, 0.3, 12).tolist())
