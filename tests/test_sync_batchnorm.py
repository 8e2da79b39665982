"""Synchronised batch statistics equal those of a single process that sees all clips."""

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from mmn.training.sync_batchnorm import CpuSyncBatchNorm

SIZES = (7, 5)  # rows of each process


def rows() -> Tensor:
    return torch.randn(sum(SIZES), 6, generator=torch.Generator().manual_seed(0)) * 3 + 10


def step(norm: nn.Module, x: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """Output, gradients and running statistics of one training step, whose loss is a sum over rows."""
    x = x.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = norm(x)
    assert y.dtype == dtype
    (y.float() ** 3).sum().backward()
    found = {"y": y, "x.grad": x.grad, "mean": norm.running_mean, "var": norm.running_var}
    found |= {name: parameter.grad for name, parameter in norm.named_parameters()}
    return {name: value.detach().float() for name, value in found.items()}


def process(rank: int, folder: Path, dtype: torch.dtype) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(SIZES))
    norm = CpuSyncBatchNorm().apply(nn.Sequential(nn.BatchNorm1d(6)))[0]  # type: ignore[index]
    torch.save(step(norm, rows().split(SIZES)[rank], dtype), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_two_processes_match_one(tmp_path: Path, dtype: torch.dtype, tolerance: float) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=process, args=(rank, tmp_path, dtype)) for rank in range(len(SIZES))]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
        assert each.exitcode == 0
    one = step(nn.BatchNorm1d(6), rows(), dtype)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(len(SIZES))]
    for name in ("y", "x.grad"):
        torch.testing.assert_close(torch.cat([f[name] for f in found]), one[name], rtol=tolerance, atol=3 * tolerance)
    for name in ("weight", "bias"):  # each process has its share of the sum
        torch.testing.assert_close(found[0][name] + found[1][name], one[name], rtol=tolerance, atol=3 * tolerance)
    for name in ("mean", "var"):  # of the same bf16 rows, but in float32
        torch.testing.assert_close(found[0][name], one[name], rtol=1e-5, atol=1e-5)
        assert torch.equal(found[0][name], found[1][name])
