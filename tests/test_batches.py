"""Batches depend only on seed and epoch, not on workers, processes or batch size."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmn.data.format.selection import take
from mmn.data.pipeline.augment import Augmentation, ZeroAxis, ZeroFrames
from mmn.data.pipeline.augment_joints import Mirror
from mmn.data.pipeline.batches import BatchSampler, balanced
from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.draws import Draws
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.subset import nested_subset
from mmn.errors import UserError

OFFICIAL = Augmentation([ZeroAxis(0.5), ZeroFrames(0.5)])


def datamodule(path, **options) -> SkeletonDataModule:
    return SkeletonDataModule(path, Modality("joint"), **{"augmentation": OFFICIAL, "batch_size": 8, **options})


def epochs(path, count: int = 2, **options) -> list:
    loader = datamodule(path, **options).loader("train", training=True)
    batches = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        batches.append(list(loader))
    return batches


def equal(a, b) -> bool:
    return all(
        torch.equal(x, y) for one, other in zip(a, b, strict=True) for x, y in zip(one[:4], other[:4], strict=True)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(jhmdb_like, workers: int) -> None:
    for a, b in zip(epochs(jhmdb_like), epochs(jhmdb_like, num_workers=workers), strict=True):
        assert equal(a, b)


def test_epochs_and_seeds_differ(jhmdb_like) -> None:
    first, second = epochs(jhmdb_like)
    assert not equal(first, second)
    other = epochs(jhmdb_like, seed=2)[0]
    assert not equal(first, other)
    assert not torch.equal(first[0].indices, other[0].indices)
    assert equal(first, epochs(jhmdb_like)[0])


def test_the_order_depends_on_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = BatchSampler(torch.arange(64), 64, shuffle_seed=seed)
        sampler.set_epoch(epoch)
        return next(iter(sampler))[1].tolist()

    orders = [order(1, 0), order(1, 1), order(2, 0)]
    assert order(1, 1) == orders[1]
    assert len({tuple(one) for one in orders}) == 3
    assert all(sorted(one) == list(range(64)) for one in orders)


def test_subsets_are_stratified_and_nested() -> None:
    labels = np.tile(np.arange(14), 50)  # like a file that cycles through its classes
    labels[:140] = 0
    counts = np.bincount(labels)
    chosen = [set(nested_subset(labels, count, seed=1).tolist()) for count in (14, 101, 350)]
    assert chosen[0] < chosen[1] < chosen[2]
    for some, count in zip(chosen, (14, 101, 350), strict=True):
        assert len(some) == count
        np.testing.assert_allclose(np.bincount(labels[list(some)], minlength=14), counts * count / len(labels), atol=1)
    assert chosen[1] != set(nested_subset(labels, 101, seed=2).tolist())
    assert torch.equal(nested_subset(labels, 9999, 1), torch.arange(700))
    with pytest.raises(UserError, match="max_train_clips is 0"):
        nested_subset(labels, 0, 1)


def test_training_uses_only_the_requested_clips(jhmdb_like) -> None:
    loader = datamodule(jhmdb_like, max_train_clips=20, batch_size=4).loader("train", training=True)
    seen = torch.cat([batch.indices for batch in loader])
    assert len(set(seen.tolist())) == 20
    assert torch.equal(seen.sort().values, nested_subset(loader.dataset.fetcher.labels.numpy(), 20, 1))


@pytest.mark.parametrize(("balance", "expected"), [(0.0, [90, 9, 1]), (0.5, [69, 22, 7]), (1.0, [33, 33, 33])])
def test_classes_are_balanced_to_the_given_degree(balance: float, expected: list[int]) -> None:
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    weights = balanced(labels, balance)
    sampler = BatchSampler(torch.arange(100), 10, shuffle_seed=1, weights=weights)
    counts = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        order = torch.cat([clips for _, clips, _ in sampler])
        counts.append(np.bincount(labels[order], minlength=3))
        assert np.bincount(order[labels[order] == 1]).max() <= np.ceil(expected[1] / 9) + 1  # evenly within a class
        assert len(set(labels[order[:30]])) > 1  # shuffled again
        assert len(order) == 100
    np.testing.assert_allclose(np.mean(counts, axis=0), expected, atol=1.5)


def test_the_datamodule_balances_only_training(jhmdb_like) -> None:
    module = datamodule(jhmdb_like, balance=0.5)
    weights = module.loader("train", training=True).sampler.weights
    labels = module.data.splits["train"].labels
    torch.testing.assert_close(weights, torch.from_numpy(np.bincount(labels)[labels]).double() ** -0.5)
    assert module.loader("val").sampler.weights is None
    assert datamodule(jhmdb_like).loader("train", training=True).sampler.weights is None
    with pytest.raises(UserError, match=r"data\.balance is 2"):
        datamodule(jhmdb_like, balance=2)


@pytest.mark.parametrize(("balance", "expected"), [(0.0, [4, 16, 0]), (0.5, [20 / 3, 40 / 3, 0]), (1, [10, 10, 0])])
def test_the_clips_shown_of_each_class_follow_the_balance(jhmdb_like, balance: float, expected: list[float]) -> None:
    module = datamodule(jhmdb_like, balance=balance)
    train = module.data.splits["train"]
    labels = np.repeat([0, 1], [4, 16])
    data = replace(module.data, classes=replace(module.data.classes, names=["a", "b", "c"]))
    data.splits["train"] = replace(train, labels=labels)
    module._data = data
    torch.testing.assert_close(module.shown_per_class, torch.tensor(expected, dtype=torch.float64))


def test_a_clip_shown_again_in_an_epoch_is_sampled_and_augmented_anew(jhmdb_like) -> None:
    fetch = datamodule(jhmdb_like).loader("train", training=True).dataset.fetcher.fetch
    batch = fetch(torch.tensor([3, 3, 5]), 2, torch.tensor([0, 1, 0]))
    once = fetch(torch.tensor([3, 5]), 2)
    assert torch.equal(batch.clips[[0, 2]], once.clips)
    assert not torch.equal(batch.times[0], batch.times[1])
    assert batch.repeats is not None
    assert once.repeats is None


def test_the_sampler_counts_how_often_a_clip_was_shown() -> None:
    sampler = BatchSampler(torch.arange(10, 20), 5, shuffle_seed=1, weights=torch.tensor([9.0] + [1.0] * 9))
    shown: dict[int, int] = {}
    for _, clips, repeats in sampler:
        for clip, repeat in zip(clips.tolist(), repeats.tolist(), strict=True):
            assert repeat == shown.get(clip, 0)
            shown[clip] = repeat + 1
    assert shown[10] == 5


def test_random_draws_of_a_clip_do_not_depend_on_its_batch(jhmdb_like) -> None:
    fetch = datamodule(jhmdb_like).loader("train", training=True).dataset.fetcher.fetch
    together = fetch(torch.arange(10), epoch=5)
    for i in range(10):
        alone = fetch(torch.tensor([i]), epoch=5)
        assert all(torch.equal(a[0], b[i]) for a, b in zip(alone[:4], together[:4], strict=True))


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_global_batches(world_size: int) -> None:
    clips = torch.arange(50)
    one = BatchSampler(clips, 12, shuffle_seed=1)
    ranks = [BatchSampler(clips, 12 // world_size, 1, rank, world_size) for rank in range(world_size)]
    for sampler in (one, *ranks):
        sampler.set_epoch(3)
    shares = zip(*ranks, strict=True)
    for (_, whole, _), parts in zip(one, shares, strict=True):
        assert torch.equal(whole, torch.cat([clips for _, clips, _ in parts]))


@pytest.mark.parametrize("count", [1, 7, 8, 9])
def test_evaluation_sees_every_clip_once_on_two_processes_with_equal_batches(count: int) -> None:
    ranks = [BatchSampler(torch.arange(count), 2, None, rank, 2) for rank in range(2)]
    seen = [torch.cat([clips for _, clips, _ in rank]) for rank in ranks]
    assert len(list(ranks[0])) == len(list(ranks[1])) == len(ranks[0])
    everything = torch.cat(seen)
    assert sorted(everything[everything >= 0].tolist()) == list(range(count))


def test_training_drops_the_incomplete_batch_and_evaluation_keeps_it() -> None:
    clips = torch.arange(10)
    assert len(list(BatchSampler(clips, 4, shuffle_seed=1))) == len(BatchSampler(clips, 4, shuffle_seed=1)) == 2
    assert len(list(BatchSampler(clips, 4))) == len(BatchSampler(clips, 4)) == 3


def test_fewer_clips_than_a_batch_are_refused(jhmdb_like) -> None:
    with pytest.raises(UserError, match=r"lower data\.batch_size"):
        datamodule(jhmdb_like, batch_size=1000).train_dataloader()


def test_draws_are_uniform_and_independent() -> None:
    draws = Draws(1, 0, torch.arange(5000)).uniform(0, 16).numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    assert np.abs(counts - 4000).max() < 6 * np.sqrt(4000)
    assert np.abs(np.corrcoef(draws.T) - np.eye(16)).max() < 0.08
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.02
    everyone = torch.arange(5000)
    for other in (Draws(2, 0, everyone), Draws(1, 1, everyone)):
        assert abs(np.corrcoef(draws.ravel(), other.uniform(0, 16).numpy().ravel())[0, 1]) < 0.02
    for purpose in (-1, 1):
        other_use = Draws(1, 0, everyone).uniform(purpose, 16).numpy()
        assert abs(np.corrcoef(draws.ravel(), other_use.ravel())[0, 1]) < 0.02


def test_draws_per_frame_depend_on_the_frame_and_its_clip() -> None:
    frames = torch.tensor([[0, 3, 3], [0, 3, 5]])
    draws = Draws(1, 0, torch.tensor([7, 8])).uniform_per_frame(2, frames, 4)
    assert torch.equal(draws[0, 1], draws[0, 2])
    assert len({tuple(row) for row in draws.flatten(0, 1).tolist()}) == 5
    assert not torch.equal(draws, Draws(1, 0, torch.tensor([7, 8])).uniform_per_frame(3, frames, 4))


@pytest.mark.parametrize("steps", [[Mirror(0.5)], [Mirror(0.3), Mirror(1.0)], []])
@pytest.mark.parametrize("balance", [0.0, 0.5])
def test_mirrored_clips_are_counted_as_the_class_they_become(jhmdb_like, steps: list, balance: float) -> None:
    module = datamodule(jhmdb_like, balance=balance, augmentation=Augmentation(steps), batch_size=50, num_frames=8)
    train = module.data.splits["train"]
    names = ["left_kick", "right_kick", "nod", "left_wave"]  # of which the last has no counterpart
    classes = replace(module.data.classes, names=names, group_of_class=[], group_names=[])
    labels = np.repeat([0, 1, 2, 3], [24, 4, 12, 10])
    splits = {"train": replace(take(train, np.arange(50)), labels=labels)}
    module._data = replace(module.data, classes=classes, splits=splits)
    loader = module.loader("train", training=True)
    counts = torch.zeros(4)
    for epoch in range(60):
        loader.sampler.set_epoch(epoch)
        counts += torch.cat([batch.labels for batch in loader]).bincount(minlength=4) / 60
    torch.testing.assert_close(module.shown_per_class.float(), counts, atol=0.7, rtol=0)
