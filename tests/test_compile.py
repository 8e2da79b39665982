"""Compiled parts give the same results as the uncompiled network."""

import pytest
import torch
from test_fused import random_clips, random_network
from torch import Tensor, nn

from mmn.inference.gpu import GpuMMN


@pytest.mark.slow
@torch._dynamo.config.patch(recompile_limit=2)
def test_compiled_parts_may_exceed_the_compilers_default_graph_limit() -> None:
    torch.compiler.reset()
    found = []
    for compiled in (False, True):
        network = random_network(drop_path=0.5, num_frames=16, scales=3).train()
        network.recompute = True
        if compiled:
            network.compile_parts(backend="eager")
        torch.manual_seed(1)
        nn.functional.cross_entropy(network(*random_clips(network)), torch.arange(5)).backward()
        found.append({**{n: p.grad for n, p in network.named_parameters()}, **dict(network.named_buffers())})
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 2
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_compiled_training_step_has_the_same_loss_and_gradients() -> None:
    network = random_network(drop_path=0.0, dropout=0.0, num_frames=16, scales=2).train()
    clips, times = random_clips(network)
    labels = torch.arange(5)

    def step() -> tuple[Tensor, dict[str, Tensor]]:
        network.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(network(clips, times), labels)
        loss.backward()
        return loss.detach(), {name: p.grad for name, p in network.named_parameters()}  # type: ignore[misc]

    loss, gradients = step()
    network.compile_parts()
    counters = torch._dynamo.utils.counters
    counters.clear()
    for _ in range(2):
        compiled_loss, compiled = step()
        torch.testing.assert_close(compiled_loss, loss, rtol=1e-5, atol=1e-6)
        for name, gradient in gradients.items():
            torch.testing.assert_close(compiled[name], gradient, rtol=1e-3, atol=1e-5)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 5  # one per scale; embedding, pyramid, fusion
    assert set(network.state_dict()) == set(random_network(num_frames=16, scales=2).state_dict())


@pytest.mark.parametrize("options", [{}, {"corrected": True}])
def test_the_network_for_a_gpu_compiles_without_graph_breaks(options: dict) -> None:
    torch.compiler.reset()
    network = random_network(num_frames=16, scales=2, **options)
    clips, times = random_clips(network)
    compiled = GpuMMN(network, torch.bfloat16)
    expected = compiled(clips, times)
    compiled.compile_parts(backend="aot_eager")
    counters = torch._dynamo.utils.counters
    counters.clear()
    torch.testing.assert_close(compiled(clips, times), expected, rtol=0, atol=1e-5)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 5  # one per scale; embedding, pyramid, fusion
