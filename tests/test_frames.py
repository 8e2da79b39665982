"""Sampling of frames, and frame times."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.frames import Sampling, evaluation_frames, frame_times, training_frames


@pytest.mark.parametrize("count", [64, 50])  # 49 · (1 / 49) is less than 1
def test_evaluation_frames_are_a_truncated_linspace(count: int) -> None:
    lengths = torch.arange(1, 3000)
    frames = evaluation_frames(lengths, count).numpy()
    for length in lengths.tolist():
        assert (frames[length - 1] == np.linspace(0, length - 1, count).astype(int)).all()


def test_training_frames_are_sorted_and_inside_the_clip() -> None:
    lengths = torch.tensor([1, 2, 10_000])
    frames = training_frames(lengths, torch.rand(3, 64))
    assert (frames.diff(dim=1) >= 0).all()
    assert (frames >= 0).all()
    assert (frames < lengths.unsqueeze(1)).all()
    nearly_one = torch.full((1, 64), 1 - 2.0**-24)
    assert training_frames(torch.tensor([10_000_000]), nearly_one).max() < 10_000_000


def test_frame_times_run_from_minus_one_towards_one() -> None:
    times = frame_times(torch.tensor([[0, 5, 9]]), torch.tensor([10]))
    torch.testing.assert_close(times, torch.tensor([[-1.0, 0.0, 0.8]]))


def test_strata_sample_one_frame_of_each_equal_part() -> None:
    lengths = torch.tensor([40, 3])
    strata = Sampling("strata")
    assert strata.evaluation(lengths, 4).tolist() == [[5, 15, 25, 35], [0, 1, 1, 2]]
    frames = torch.stack([strata.training(lengths, 4, Draws(1, epoch, torch.arange(2)), 0) for epoch in range(99)])
    for part in range(4):
        assert set(frames[:, 0, part].tolist()) == set(range(10 * part, 10 * part + 10))
    assert frames[:, 1].max() == 2


def test_warps_are_smooth_and_cover_the_clip() -> None:
    lengths = torch.full((500,), 101)
    even = Sampling("warp").evaluation(lengths[:1], 41)
    torch.testing.assert_close(even[0], torch.linspace(0, 100, 41, dtype=torch.float64))
    frames = Sampling("warp", 0.7).training(lengths, 40, Draws(1, 0, torch.arange(500)), 0)
    steps = frames.diff(dim=1)
    assert (frames >= 0).all()
    assert (frames <= 100).all()
    assert steps.min() > 0
    assert (steps[:, 1:] / steps[:, :-1]).log().abs().max() < 0.5
    assert steps.std(dim=1).median() > 0.3  # 2.5 frames per step
    assert frames[:, 0].max() > 2
    plain = Sampling("warp", 0.0).training(lengths, 40, Draws(1, 0, torch.arange(500)), 0)
    torch.testing.assert_close(plain.diff(dim=1), torch.full((500, 39), 2.5, dtype=torch.float64))


class GpuDivision(TorchDispatchMode):
    """Divides by a number as a GPU does: multiplies by its reciprocal."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        by_number = func is torch.ops.aten.div.Tensor and (not isinstance(args[1], torch.Tensor) or args[1].ndim == 0)
        return args[0] * (1.0 / args[1]) if by_number else func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["official", "strata", "warp"])
@pytest.mark.parametrize("num_frames", [7, 20, 64])
def test_frames_are_the_same_on_a_gpu(name: str, num_frames: int) -> None:
    lengths = torch.arange(1, 400)
    draws = Draws(0, 0, lengths)
    rule = Sampling(name)
    found = [(rule.evaluation(lengths, num_frames), rule.training(lengths, num_frames, draws, 0))]
    with GpuDivision():
        found.append((rule.evaluation(lengths, num_frames), rule.training(lengths, num_frames, draws, 0)))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
