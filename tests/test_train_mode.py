"""Randomness and rounding in training: initial weights, dropout, low precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from test_fused import plain_network, random_clips, random_network
from torch import Tensor, nn
from torch.nn import functional as F

import mmn

LABELS = torch.arange(5)


@contextmanager
def fixed_masks(channels_first: bool) -> Iterator[list[str]]:
    """The same draws for our network and the plain one, whatever their axis order; yields the draws in order."""
    generator = torch.Generator().manual_seed(3)
    drawn: list[str] = []
    original = torch.rand

    def uniform(*shape: int) -> Tensor:
        return original(*shape, generator=generator, dtype=torch.float64).float()

    def dropout(x: Tensor, p: float, training: bool, inplace: bool = False) -> Tensor:
        if not training:
            return x
        first = channels_first and x.ndim == 4
        shape = x.permute(0, 2, 3, 1).shape if first else x.shape
        drawn.append(f"dropout {tuple(shape)}")
        keep = uniform(*shape) >= p
        return x * (keep.permute(0, 3, 1, 2) if first else keep) / (1 - p)

    def bernoulli(keep: Tensor) -> Tensor:
        drawn.append("drop path")
        return (uniform(*keep.shape) < keep).float()

    def rand(*shape: int, **_: object) -> Tensor:
        drawn.append("drop path")
        return 1 - uniform(*shape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "dropout", dropout)
        patch.setattr(torch, "bernoulli", bernoulli)
        if channels_first:
            patch.setattr(torch, "rand", rand)
        yield drawn


def step(network: nn.Module, clips: Tensor, times: Tensor, precision: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Loss, gradients and buffers of one training step."""
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss = F.cross_entropy(network(clips, times), LABELS, label_smoothing=0.1)
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **gradients, **dict(network.named_buffers())}


@pytest.mark.parametrize("corrected", [False, True])
def test_with_equal_masks_a_training_step_matches_the_plain_implementation(corrected: bool) -> None:
    network = random_network(drop_path=0.6, dropout=0.4, num_frames=16, scales=3, corrected=corrected).train()
    plain = plain_network(network)
    clips, times = random_clips(network)
    with fixed_masks(channels_first=False) as drawn:
        ours = step(network, clips, times)
    with fixed_masks(channels_first=True) as expected:
        theirs = step(plain, clips, times)
    assert drawn == expected == ["drop path"] * 4 + ["dropout (5, 4, 10, 32)", "dropout (5, 32)"]
    assert len(ours) > 150
    for name, value in theirs.items():
        if name in ours:
            torch.testing.assert_close(ours[name], value.reshape(ours[name].shape), rtol=1e-4, atol=1e-6, msg=name)


def test_gradients_in_low_precision_match_single_precision() -> None:
    clips, times = random_clips(random_network(num_frames=16, scales=2))
    still = clips[:, :1] + 0.01 * clips  # motion is small compared to positions: rounding would affect it first
    for corrected in (False, True):
        options = {"drop_path": 0.0, "dropout": 0.0, "num_frames": 16, "scales": 2, "corrected": corrected}
        single = step(random_network(**options).train(), still, times)
        low = step(random_network(**options).train(), still, times, torch.bfloat16)
        torch.testing.assert_close(low["loss"], single["loss"], rtol=0, atol=0.01)
        largest = max(single[name].norm() for name, _ in random_network(**options).named_parameters())
        for name, value in single.items():
            if value.is_floating_point() and value.norm() > 1e-3 * largest:
                alike = F.cosine_similarity(low[name].flatten(), value.flatten(), dim=0)
                assert alike > 0.95, f"{name}: {alike}"


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    network = mmn.MMN(44, 52)
    for name, parameter in network.named_parameters():
        if name.endswith(("spatial.matrices", "embedding.position")):
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name
            assert abs(parameter.mean().item()) < 0.002
        elif name.endswith("msm.graph"):
            assert torch.equal(parameter, torch.eye(44))
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):  # torch's own: uniform within 1 / √(inputs)
            bound = module.weight[0].numel() ** -0.5
            assert module.weight.abs().max() <= bound, name
            assert module.weight.numel() < 500 or module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
        elif isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
            assert (module.weight == 1).all(), name
            assert (module.bias == 0).all(), name
