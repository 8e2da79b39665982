"""Clips in memory, in the file or on a GPU give the same batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.lazy import LazyArray
from mmn.data.format.summary import summarise
from mmn.data.pipeline.augment import Augmentation, ZeroAxis, ZeroFrames
from mmn.data.pipeline.augment_space import Mirror
from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.draws import Draws, EpochDraws
from mmn.data.pipeline.modality import MODALITIES, Modality
from mmn.data.pipeline.preprocess import Batch, ClipFetcher, Training
from mmn.data.synthetic.synthesize import synthesize
from mmn.errors import UserError

MASKS = Augmentation([ZeroAxis(0.5), ZeroFrames(0.5)])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "x.h5"
    synthesize(path, "jhmdb", clips_per_class=3, val_per_class=1, test_per_class=1, frames=(2, 70), occlusion=0.2)
    return path


def equal(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x.cpu(), y.cpu()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("augmentation", [None, MASKS, Augmentation([Mirror(0.5), ZeroAxis(0.5)])])
def test_clips_left_in_the_file_give_the_same_batches(path: Path, modality: str, augmentation) -> None:
    training = Training(1, augmentation) if augmentation else None
    indices = torch.tensor([5, 0, 41, 5, -1, 7])
    batches = []
    for limit in (1e9, 0):
        data = read_data(path, memory_limit=limit)
        fetcher = ClipFetcher(data.splits["train"], data.layout, Modality(modality), 64, training)
        batches.append(fetcher.fetch(indices, epoch=3))
    assert equal(*batches)


@pytest.mark.parametrize("modality", ["bone", "bone_motion"])
def test_bones_are_the_same_taken_before_or_after_augmentation(path: Path, modality: str) -> None:
    data = read_data(path)
    late = Augmentation([ZeroAxis(0.5), ZeroFrames(0.5)])
    late.needs_joints = True
    indices = torch.arange(42)
    early, later = (
        ClipFetcher(data.splits["train"], data.layout, Modality(modality), 64, Training(1, augmentation)).fetch(indices)
        for augmentation in (MASKS, late)
    )
    assert equal(early, later)


def test_what_a_lazily_read_file_holds_is_counted_alike(path: Path) -> None:
    assert summarise(read_data(path, memory_limit=0)) == summarise(read_data(path))
    assert isinstance(read_data(path, memory_limit=0).splits["val"].keypoints, LazyArray)
    assert isinstance(read_data(path, memory_limit=1e9).splits["val"].keypoints, np.ndarray)


def test_damage_is_found_in_a_lazily_read_file(path: Path, tmp_path: Path) -> None:
    import h5py

    damaged = tmp_path / "x.h5"
    damaged.write_bytes(path.read_bytes())
    with h5py.File(damaged, "a") as file:
        file["train/keypoints"][7, 3, 1] = np.nan
    messages = []
    for limit in (1e9, 0):
        with pytest.raises(UserError, match="is missing") as error:
            read_data(damaged, memory_limit=limit)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_limit_and_workers_change_no_batch(path: Path, workers: int) -> None:
    def batches(**options) -> list[Batch]:
        return list(SkeletonDataModule(path, Modality("bone"), MASKS, batch_size=8, **options).train_dataloader())

    for a, b in zip(batches(), batches(memory_limit_gb=0, num_workers=workers), strict=True):
        assert equal(a, b)


def test_draws_of_an_epoch_are_those_of_its_clips() -> None:
    everyone, clips = EpochDraws(seed=3, num_clips=100), torch.tensor([7, 99, 7, 0])
    for epoch in (0, 5, 0):
        torch.testing.assert_close(
            everyone.of(epoch, clips).uniform(2, 9), Draws(3, epoch, clips).uniform(2, 9), rtol=0, atol=0
        )


def test_clips_on_a_device_need_no_workers(path: Path) -> None:
    with pytest.raises(UserError, match=r"set data\.num_workers from 2 to 0"):
        SkeletonDataModule(path, Modality("joint"), MASKS, on_device=True, num_workers=2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("augmentation", [None, MASKS, Augmentation([Mirror(0.5)])])
def test_a_gpu_makes_the_same_batches(path: Path, modality: str, augmentation) -> None:
    data = read_data(path)
    training = Training(1, augmentation) if augmentation else None
    cpu, gpu = (
        ClipFetcher(data.splits["train"], data.layout, Modality(modality), 64, training, device).fetch(torch.arange(42))
        for device in ("cpu", "cuda")
    )
    assert equal(cpu, gpu)


def test_clips_keep_their_type(path: Path) -> None:
    clips = read_data(path, memory_limit=0).splits["test"]
    assert isinstance(clips, Clips)
    assert clips.clip(3).dtype == np.float32
    assert len(clips.keypoints) == clips.offsets[-1]
