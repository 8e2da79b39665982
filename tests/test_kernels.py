"""Computations rewritten for speed."""

import pytest
import torch
from torch.nn import functional as F

from mmn.model.kernels import convolve_by_products, convolve_frames


@pytest.mark.parametrize(
    ("channels", "out", "kernel", "stride", "padding", "groups"),
    [(8, 8, 3, 1, 1, 4), (8, 8, 3, 1, 1, 8), (8, 8, 3, 1, 1, 1), (8, 12, 3, 2, 0, 1), (8, 8, 4, 4, 0, 1)],
    ids=["grouped", "depthwise", "over_time", "halving", "aligning"],
)
@pytest.mark.parametrize("convolve", [convolve_frames, convolve_by_products])
def test_convolutions_over_frames_are_those_of_torch(
    convolve, channels: int, out: int, kernel: int, stride: int, padding: int, groups: int
) -> None:
    torch.manual_seed(0)
    x, weight, bias = (
        torch.randn(*size, dtype=torch.float64, requires_grad=True)
        for size in ((2, 16, 5, channels), (out, channels // groups, kernel, 1), (out,))
    )
    expected = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, (stride, 1), (padding, 0), 1, groups).permute(0, 2, 3, 1)
    y = convolve(x, weight, bias, stride, padding, groups)
    torch.testing.assert_close(y, expected)
    gradients = torch.autograd.grad(y.square().sum(), (x, weight, bias))
    torch.testing.assert_close(gradients, torch.autograd.grad(expected.square().sum(), (x, weight, bias)))
