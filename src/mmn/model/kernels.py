"""Computations rewritten for speed or precision; the rest of the network is independent of device and precision."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent; in float32 on a CPU via the sigmoid, whose kernel is nine times faster (≤ 1e-7 apart)."""
    if x.is_cpu and x.dtype == torch.float32:
        return torch.sigmoid(2 * x) * 2 - 1
    return torch.tanh(x)


def pad_replicate(x: Tensor, before: int, after: int) -> Tensor:
    """Repeat the first and last frame of ``x (B, T, V, C)``.

    Slicing and ``cat``: the backward of ``F.pad(mode="replicate")`` fails under ``torch.compile``.
    """
    first = x[:, :1].expand(-1, before, -1, -1)
    last = x[:, -1:].expand(-1, after, -1, -1)
    return torch.cat([first, x, last], dim=1)


def map_channels(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x (B, T, V, in)`` times ``weight (out, in)`` plus ``bias (out,)`` → ``(B, T, V, out)``.

    On a CPU it runs as a 1×1 convolution: oneDNN is up to twice as fast as the BLAS matrix product.
    """
    if x.is_cpu:
        return F.conv2d(x.permute(0, 3, 1, 2), weight[..., None, None], bias).permute(0, 2, 3, 1)
    return F.linear(x, weight, bias)


def convolve_frames(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """Convolve ``x (B, T, V, in)`` over frames with ``weight (out, in / groups, kernel, 1)`` → ``(B, T', V, out)``.

    On a CPU, the channel axis is only viewed as the second one, so that oneDNN runs its channels-last kernel and
    nothing is copied. On a GPU, cuDNN's kernels for few channels and for groups are slow: see ``convolve_by_products``.
    """
    if x.is_cpu:
        y = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, (stride, 1), (padding, 0), 1, groups)
        return y.permute(0, 2, 3, 1)
    return convolve_by_products(x, weight, bias, stride, padding, groups)


def convolve_by_products(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """``convolve_frames`` as one matrix product of shifted frames; one channel a group: as a sum of products."""
    matrix = as_product(weight, groups)
    return convolve_by_matrix(x, matrix, bias, weight.shape[2], stride, padding)


def as_product(weight: Tensor, groups: int) -> Tensor:
    """Weight ``(out, in / groups, kernel, 1)`` as ``convolve_by_matrix`` takes it.

    The matrix ``(out, kernel · in)`` of all frames of a window; one channel a group: the factors ``(kernel, 1, out)``.
    """
    if weight.shape[1] == 1 and groups == len(weight):
        return weight[:, 0].permute(1, 2, 0)
    if groups > 1:
        weight = block_diagonal(weight, groups)
    return weight[..., 0].transpose(1, 2).flatten(1)


def convolve_by_matrix(
    x: Tensor, matrix: Tensor, bias: Tensor | None, kernel: int, stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve ``x (B, T, V, in)`` over frames with a weight from ``as_product`` → ``(B, T', V, out)``."""
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    frames = (x.shape[1] + 2 * padding - kernel) // stride + 1
    padded = F.pad(x, (0, 0, 0, 0, padding, padding)) if padding else x
    taps = [padded[:, k : k + (frames - 1) * stride + 1 : stride] for k in range(kernel)]  # (B, T', V, in) each
    if matrix.ndim == 2:
        return F.linear(torch.cat(taps, dim=-1), matrix, bias)
    factors = matrix.to(x.dtype).unbind()
    y = taps[0] * factors[0]
    for tap, factor in zip(taps[1:], factors[1:], strict=True):
        y = torch.addcmul(y, tap, factor)
    return y if bias is None else y + bias.to(x.dtype)


def block_diagonal(weight: Tensor, groups: int) -> Tensor:
    """Weight ``(out, in / groups, kernel, 1)`` of a grouped convolution → ``(out, in, kernel, 1)`` of a plain one."""
    parts = weight.unflatten(0, (groups, -1)).unsqueeze(2)  # (groups, out / groups, 1, in / groups, kernel, 1)
    own = torch.eye(groups, device=weight.device, dtype=weight.dtype).view(groups, 1, groups, 1, 1, 1)
    return (parts * own).flatten(2, 3).flatten(0, 1)


def frame_difference(x: Tensor) -> Tensor:
    """Next minus current frame of ``x (B, T, V, C)``; the last difference is repeated, and is 0 for one frame."""
    if x.shape[1] == 1:
        return torch.zeros_like(x)
    difference = x[:, 1:] - x[:, :-1]
    return torch.cat([difference, difference[:, -1:]], dim=1)


def static_and_difference(split: nn.Linear, x: Tensor) -> tuple[Tensor, Tensor]:
    """The first half of ``split(x)`` and the frame difference of the second, ``(B, T, V, C/2)`` each.

    In low precision, the difference of features would be rounding noise: it is taken before the map, whose bias
    cancels.
    """
    if not torch.is_autocast_enabled(x.device.type):
        static, motion = split(x).chunk(2, dim=-1)
        return static, frame_difference(motion)
    static_weight, motion_weight = split.weight.chunk(2)
    static = map_channels(x, static_weight, split.bias.chunk(2)[0])
    return static, map_channels(frame_difference(x.float()), motion_weight, None)


def centre(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x − mean (B, T, V, C)`` and ``std + 1e-6 (B, 1, 1, C)`` per clip and channel, in float32.

    Computed from two sums: ``var_mean`` is twenty times slower on a CPU.
    """
    centred = x - x.mean(dim=(1, 2), keepdim=True, dtype=torch.float32)
    variance = centred.square().sum(dim=(1, 2), keepdim=True) / (x.shape[1] * x.shape[2] - 1)
    return centred, variance.sqrt() + 1e-6


def single_precision(x: Tensor) -> AbstractContextManager[None]:
    """Disable autocast: motion is below the resolution of low precision."""
    return torch.autocast(x.device.type, enabled=False)
