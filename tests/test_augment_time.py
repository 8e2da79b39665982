"""Augmentations of time: reversal, speed changes and jitter."""

import math

import torch
from samples import CLIPS, apply, drawn, given
from torch import Tensor

from mmn.data.pipeline.augment import Moments
from mmn.data.pipeline.augment_time import JitterFrames, OfficialJitterFrames, ReverseTime


def moments(frames: Tensor, length: int) -> Moments:
    count = len(frames)
    return Moments(frames.double(), torch.full((count,), length), torch.zeros(count, dtype=torch.bool))


def test_reversed_clips_have_the_frame_times_of_the_reversed_clip() -> None:
    before = moments(torch.tensor([[0, 3, 9]]), 10)
    after = ReverseTime(1.0)(before, drawn(1), 1)
    assert after.frames.tolist() == [[9, 3, 0]]
    torch.testing.assert_close(after.times, torch.tensor([[-1.0, 0.2, 0.8]]))  # its frames 0, 6 and 9
    torch.testing.assert_close(before.times, torch.tensor([[-1.0, -0.4, 0.8]]))
    again = ReverseTime(1.0)(after, drawn(1), 1)
    assert again.frames.tolist() == before.frames.tolist()
    assert torch.equal(again.times, before.times)
    assert ReverseTime(0.5)(before, given(0.5), 1).frames.tolist() == [[0, 3, 9]]


def test_jittered_clips_change_speed_smoothly_and_never_run_backwards() -> None:
    even = torch.linspace(0, 99, 100).expand(500, -1)
    after = JitterFrames(1.0, strength=1.0)(moments(even, 100), drawn(500), 1)
    steps = after.frames.diff(dim=1)
    assert steps.min() > 0
    assert (after.frames[:, 0] == 0).all()
    torch.testing.assert_close(after.frames[:, -1], torch.full((500,), 99.0, dtype=torch.float64))
    assert (steps[:, 1:] / steps[:, :-1]).log().abs().max() < 0.3  # no jumps in speed
    assert steps.max(dim=1).values.median() > 1.3
    assert steps.max() < math.e**2
    assert steps.min() > math.e**-2
    torch.testing.assert_close(after.times, (2 * after.frames / 100 - 1).float())
    assert torch.equal(JitterFrames(1.0, 0.0)(moments(even, 100), drawn(500), 1).frames.round(), even.double())


def test_official_jitter_moves_frames_by_at_most_reach() -> None:
    frame = torch.arange(16.0).view(1, 16, 1, 1).expand(CLIPS, 16, 15, 2)
    distance = apply(OfficialJitterFrames(1.0, reach=3), frame) - frame
    assert set(distance.flatten().tolist()) == set(range(-3, 4))
    assert (distance == distance[:, :, :1, :1]).all()
