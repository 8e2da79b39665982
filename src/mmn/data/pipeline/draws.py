"""Random numbers per clip: a pure function of seed, epoch, clip and purpose.

They depend on no generator state, so a clip is sampled and augmented identically for any batch size, number of
workers or processes and device, and after an interruption; only the requested clips' numbers are computed.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

# The finaliser of SplitMix64 (Steele, Lea, Flood 2014), its constants as signed 64-bit integers.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))


def _shift_right(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # logical: torch shifts the sign in


def _mix(x: Tensor) -> Tensor:
    x = x * _GAMMA
    x = (x ^ _shift_right(x, 30)) * _MULTIPLIERS[0]
    x = (x ^ _shift_right(x, 27)) * _MULTIPLIERS[1]
    return x ^ _shift_right(x, 31)


@dataclass(frozen=True)
class Draws:
    """The source of randomness for a batch.

    Attributes:
        seed: the run's seed.
        epoch: counted from 0.
        clips: ``(B,)`` int64, each clip's index in its split.
    """

    seed: int
    epoch: int
    clips: Tensor

    def uniform(self, purpose: int, count: int) -> Tensor:
        """``(B, count)`` float32 in [0, 1); ``purpose`` keeps different uses of one clip independent."""
        return _numbers(self._key(purpose), count)

    def uniform_per_frame(self, purpose: int, frames: Tensor, count: int) -> Tensor:
        """``(B, T, count)`` float32 in [0, 1) for the clips' own frames ``(B, T)`` int64: a frame that is
        sampled twice gets the same ones."""
        return _numbers(_mix(_mix(self._key(purpose).unsqueeze(1)) + frames), count)

    def _key(self, purpose: int) -> Tensor:
        return _mix(self._of_clips + purpose)

    @cached_property
    def _of_clips(self) -> Tensor:
        """The part of the key that all purposes share ``(B,)``."""
        of_epoch = _mix(_mix(torch.tensor(self.seed)) + self.epoch)
        return _mix(_mix(int(_mix(of_epoch)) + self.clips))


@lru_cache(maxsize=64)
def _counters(count: int, device: torch.device) -> Tensor:
    return _mix(torch.arange(1, count + 1, device=device))


def _numbers(key: Tensor, count: int) -> Tensor:
    """``(..., count)`` numbers in [0, 1) from keys ``(...)``."""
    numbers = _mix(key.unsqueeze(-1) + _counters(count, key.device))
    return _shift_right(numbers, 40).to(torch.float32) * 2.0**-24
