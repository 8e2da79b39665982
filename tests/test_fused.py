"""The fast paths give the same results as the network."""

import pytest
import torch
from plain import plain_network
from torch import Tensor, nn

import mmn
from mmn.inference.recorded import RecordedInference
from mmn.model.kernels import convolve_by_matrix


def random_network(**options: object) -> mmn.MMN:
    """A network with random parameters and statistics, so that each of them affects the logits."""
    torch.manual_seed(0)
    network = mmn.MMN(10, 7, width=32, depth=1, **options)  # type: ignore[arg-type]
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.2)  # type: ignore[operator]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[operator]
    return network.eval()


def random_clips(network: mmn.MMN, count: int = 5) -> tuple[Tensor, Tensor]:
    frames, joints, coordinates = (network.config[key] for key in ("num_frames", "num_joints", "coordinates"))
    clips = torch.randn(count, frames, joints, coordinates).clamp(-1, 1)
    return clips, torch.linspace(-1, 1, frames).expand(count, frames)


@pytest.mark.parametrize("options", [{}, {"corrected": True}, {"coordinates": 3, "num_frames": 8, "scales": 4}])
def test_a_fused_network_gives_the_same_logits(options: dict, device: str) -> None:
    network = random_network(**options).to(device)
    clips, times = (x.to(device) for x in random_clips(network, 35))  # more than one batch
    with torch.no_grad():
        expected = network(clips, times)
    torch.testing.assert_close(mmn.infer(network, clips, times), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(mmn.infer(network.fuse(), clips, times), expected, rtol=0, atol=1e-5)
    half = mmn.infer(network, clips, times, precision="bf16")
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("options", [{}, {"corrected": True}, {"heads": 8}, {"coordinates": 3, "num_frames": 8}])
def test_the_network_for_a_gpu_gives_the_same_logits(options: dict, device: str) -> None:
    network = random_network(**options).to(device)
    clips, times = (x.to(device) for x in random_clips(network, 6))
    with torch.no_grad():
        expected = network(clips, times)
    few = (clips[:4], times[:4])
    more = (torch.cat([clips, clips]), torch.cat([times, times]))
    for precision, near in (("32", 5e-5), ("bf16", 0.02)):
        recorded = RecordedInference(network, precision, compiled=False).to(device)
        whole = mmn.infer(recorded, clips, times, precision)
        torch.testing.assert_close(whole, expected, rtol=0, atol=near)
        torch.testing.assert_close(mmn.infer(recorded, *few, precision), whole[:4], rtol=0, atol=near)
        torch.testing.assert_close(mmn.infer(recorded, *more, precision)[6:], whole, rtol=0, atol=near)


def test_the_network_for_a_gpu_takes_over_new_weights(device: str) -> None:
    network = random_network().to(device)
    clips, times = (x.to(device) for x in random_clips(network))
    with torch.inference_mode():  # as in validation
        recorded = RecordedInference(network, compiled=False)
        before = recorded(clips, times)
        for parameter in network.parameters():
            parameter.data.mul_(1.05)
        assert torch.equal(recorded(clips, times), before)
        recorded.update(network)
        after = network(clips, times)
    assert not torch.allclose(after, before, atol=1e-3)
    torch.testing.assert_close(recorded(clips, times), after, rtol=0, atol=1e-5)


def test_a_gpu_convolves_with_the_same_weights() -> None:
    maps = [part for part in random_network(num_frames=16).fuse().modules() if getattr(part, "over_time", None)]
    assert len({part.over_time for part in maps}) == 6  # grouped, depthwise, plain, halving, aligning
    for part in maps:
        stride, padding, groups = part.over_time
        x = torch.randn(2, 16, 10, part.weight.shape[1] * groups)
        y = convolve_by_matrix(x, part.matrix, part.bias, part.weight.shape[2], stride, padding)
        torch.testing.assert_close(y, part(x), rtol=0, atol=1e-5)


def test_low_precision_does_not_round_motion_away() -> None:
    network = random_network(num_frames=16, scales=2)
    for block in (block for scale in network.scales for block in scale):  # type: ignore[attr-defined]
        block.split.bias.data.add_(20.0)  # large compared to motion, from which it cancels
    clips, times = random_clips(network)
    clips = clips[:, :1] + 0.005 * clips
    expected = mmn.infer(network, clips, times)
    torch.testing.assert_close(mmn.infer(network, clips, times, "bf16"), expected, rtol=0, atol=0.06)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(network(clips, times).float(), expected, rtol=0, atol=0.06)


def test_small_motion_keeps_its_precision_in_bf16() -> None:
    network = random_network(num_frames=16, scales=1)
    block = network.fuse().scales[0][0]  # type: ignore[index]
    found: list[Tensor] = []
    block.motion.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].float()))
    x = torch.randn(2, 1, 10, 32) + 0.001 * torch.randn(2, 16, 10, 32)
    block(x)
    with torch.autocast("cpu", torch.bfloat16):
        block(x)
    exact, rounded = found
    assert (rounded - exact).norm() < 0.02 * exact.norm()


def test_logits_of_a_clip_do_not_depend_on_the_others() -> None:
    network = random_network()
    clips, times = random_clips(network, 40)
    whole = mmn.infer(network, clips, times)
    for size in (1, 7):
        parts = [mmn.infer(network, x, t) for x, t in zip(clips.split(size), times.split(size), strict=True)]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("options", [{}, {"corrected": True}])
def test_a_traced_or_exported_network_takes_any_number_of_clips(options: dict) -> None:
    fused = random_network(num_frames=16, scales=2, **options).fuse()
    clips, times = random_clips(fused, 300)  # type: ignore[arg-type]
    expected = fused(clips, times)
    few = (clips[:2], times[:2])
    batch = torch.export.Dim("batch", min=1, max=4096)
    exported = torch.export.export(fused, few, dynamic_shapes=({0: batch}, {0: batch})).module()
    for graph in (torch.jit.trace(fused, few, check_trace=False), exported):
        for count in (1, 300):
            torch.testing.assert_close(graph(clips[:count], times[:count]), expected[:count], rtol=0, atol=1e-5)


def test_a_fused_network_keeps_the_weights_it_was_made_from() -> None:
    network = random_network()
    clips, times = random_clips(network)
    fused = network.fuse()
    before = mmn.infer(fused, clips, times)
    for parameter in network.parameters():
        parameter.data.zero_()
    assert torch.equal(mmn.infer(fused, clips, times), before)
    assert not any(parameter.requires_grad for parameter in fused.parameters())


@pytest.mark.parametrize("training", [False, True])
def test_the_plain_implementation_agrees_in_logits_and_gradients(training: bool) -> None:
    network = random_network(drop_path=0.0, dropout=0.0).train(training)
    plain = plain_network(network)
    clips, times = random_clips(network)
    labels = torch.arange(5)
    for net in (network, plain):
        nn.functional.cross_entropy(net(clips, times), labels, label_smoothing=0.1).backward()
    torch.testing.assert_close(network(clips, times), plain(clips, times), rtol=0, atol=1e-5)
    theirs = dict(plain.named_parameters())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        expected = theirs[name].grad.reshape(parameter.shape)  # type: ignore[union-attr]
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_recomputation_changes_only_memory_use() -> None:
    found = []
    for recompute in (False, True):
        network = random_network(drop_path=0.5).train()
        network.recompute = recompute
        passes: list[nn.Module] = []
        network.scales[0][0].register_forward_pre_hook(lambda block, _, seen=passes: seen.append(block))  # type: ignore[index]
        clips, times = random_clips(network)
        loss = nn.functional.cross_entropy(network(clips, times), torch.arange(5))
        loss.backward()
        assert len(passes) == (2 if recompute else 1)
        gradients = {name: p.grad for name, p in network.named_parameters()}
        found.append({"loss": loss.detach(), **gradients, **dict(network.named_buffers())})
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())  # type: ignore[arg-type]
