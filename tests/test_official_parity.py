"""Official weights give official numbers."""

from pathlib import Path

import pytest
import torch
from conftest import FIXTURES, official_fixture, reference
from torch import nn

import mmn
from mmn.model.layers import DropPath
from mmn.model.official import official_name


@pytest.fixture(params=["small", "3d", "ma52"])
def fixture_path(request: pytest.FixtureRequest) -> Path:
    name = f"mmn_{request.param}.npz"
    return reference(f"parity/{name}") if request.param == "ma52" else FIXTURES / name


def network_input(arrays: dict) -> tuple[torch.Tensor, torch.Tensor]:
    clips = torch.from_numpy(arrays["input"]).float()[..., 0].permute(0, 2, 3, 1).contiguous()
    return clips, torch.from_numpy(arrays["index_t"]).float()


def test_official_weights_give_official_logits(fixture_path: Path, device: str) -> None:
    arrays, state = official_fixture(fixture_path)
    clips, times = (x.to(device) for x in network_input(arrays))
    logits = mmn.infer(mmn.from_official(state).to(device), clips, times).cpu()
    torch.testing.assert_close(logits, torch.from_numpy(arrays["eval_logits"]).float(), atol=1e-5, rtol=0)


def test_official_weights_give_official_loss_gradients_and_running_statistics(fixture_path: Path, device: str) -> None:
    arrays, state = official_fixture(fixture_path)
    network = mmn.from_official(state).to(device).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, DropPath):
            module.rate = 0.0
    clips, times = (x.to(device) for x in network_input(arrays))
    labels = torch.from_numpy(arrays["label"]).long().to(device)
    loss = nn.functional.cross_entropy(network(clips, times), labels, label_smoothing=0.1)
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["train_loss"]), abs=1e-5)
    norms = {official_name(name): p.grad.norm().item() for name, p in network.named_parameters()}
    expected = {k.removeprefix("grad_norm/"): float(v) for k, v in arrays.items() if k.startswith("grad_norm/")}
    assert norms == pytest.approx(expected, abs=1e-4)
    ours = {official_name(name): value.cpu() for name, value in network.state_dict().items()}
    for name, value in arrays.items():
        if name.startswith("running_after/"):
            torch.testing.assert_close(ours[name.removeprefix("running_after/")], torch.from_numpy(value))


def test_to_official_is_the_inverse_of_from_official() -> None:
    _, state = official_fixture(FIXTURES / "mmn_small.npz")
    back = mmn.to_official(mmn.from_official(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_sizes_are_inferred_from_the_weights() -> None:
    sizes = {"num_joints": 7, "num_classes": 3, "coordinates": 3, "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 3.0}
    network = mmn.MMN(**sizes)
    config = mmn.from_official(mmn.to_official(network)).config
    assert {name: config[name] for name in sizes} == sizes


def test_an_official_checkpoint_file_loads() -> None:
    network = mmn.load_network(FIXTURES / "official_small.pt")
    assert (network.config["num_joints"], network.config["num_classes"], network.config["width"]) == (10, 7, 32)
    assert not network.training


def test_a_data_parallel_prefix_is_accepted() -> None:
    _, state = official_fixture(FIXTURES / "mmn_small.npz")
    mmn.from_official({f"module.{name}": value for name, value in state.items()})


@pytest.mark.parametrize(("joints", "classes", "count"), [(44, 52, 1_325_186), (22, 32, 1_234_014)])
def test_published_sizes_have_the_official_number_of_parameters(joints: int, classes: int, count: int) -> None:
    network = mmn.MMN(num_joints=joints, num_classes=classes)
    assert sum(p.numel() for p in network.parameters()) == count
    assert len(network.state_dict()) == 655


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda s: s.pop("head.bias"), "1 entries missing"),
        (lambda s: s.update(extra=torch.zeros(1)), "1 unexpected"),
        (lambda s: s.update({"head.bias": torch.zeros(3)}), "head.bias has shape"),
        (lambda s: s.pop("STPE"), "not those of the official MMN"),
        (lambda s: s.pop("MFM.0.blocks.0.gconv"), "incomplete"),
    ],
)
def test_official_weights_that_do_not_fit_are_refused(damage, sentence: str) -> None:
    _, state = official_fixture(FIXTURES / "mmn_small.npz")
    damage(state)
    with pytest.raises(mmn.UserError, match=sentence):
        mmn.from_official(state)
