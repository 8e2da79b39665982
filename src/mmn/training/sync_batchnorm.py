"""Synchronised batch normalisation on CPUs, which torch does not provide."""

import torch
import torch.distributed as dist
from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class _SumOverProcesses(torch.autograd.Function):
    """All-reduce whose backward is also an all-reduce: each result depends on every process's input."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class SyncedBatchNorm(nn.BatchNorm1d):
    """``BatchNorm1d`` of ``(N, C)`` with training statistics over all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C)`` → ``(N, C)``."""
        if not self.training:
            return super().forward(x)
        given, x = x.dtype, x.float()  # under autocast features are bf16, of which sums and counts would be rounded
        total = _SumOverProcesses.apply(torch.cat([x.new_full((1,), len(x)), x.sum(dim=0)]))
        count = total[0].detach()
        mean = total[1:] / count
        variance = _SumOverProcesses.apply((x - mean).square().sum(dim=0)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum or 0.0)
                self.running_var.lerp_(variance * count / (count - 1), self.momentum or 0.0)
        normal = (x - mean) * torch.rsqrt(variance + self.eps)
        return (normal * self.weight + self.bias).to(given)


class CpuSyncBatchNorm(LayerSync):
    """``trainer.sync_batchnorm`` for CPUs: turns every ``BatchNorm1d`` into a ``SyncedBatchNorm`` in place."""

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronise."""
        for module in model.modules():
            if type(module) is nn.BatchNorm1d:
                module.__class__ = SyncedBatchNorm
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Undo ``apply``."""
        for module in model.modules():
            if type(module) is SyncedBatchNorm:
                module.__class__ = nn.BatchNorm1d  # type: ignore[assignment]
        return model
