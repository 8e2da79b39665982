"""Batches are the same for clips in memory, in the file or on a GPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ACCELERATOR, needs_gpu
from waits import DEVICE, RefuseWaiting

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.lazy import LazyArray
from mmn.data.format.summary import summarise
from mmn.data.pipeline.augment import Augmentation, ZeroAxis, ZeroFrames
from mmn.data.pipeline.augment_joints import DropJoints, DropStreams, Mirror
from mmn.data.pipeline.augment_space import JointNoise, ScaleBones, Shear
from mmn.data.pipeline.augment_time import JitterFrames, ReverseTime
from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import MODALITIES, Modality
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing, RandomDraws
from mmn.data.pipeline.stores import MemoryStore
from mmn.data.synthetic.synthesize import synthesize
from mmn.errors import UserError

MASKS = Augmentation([ZeroAxis(0.5), ZeroFrames(0.5)])
EVERYTHING = Augmentation(
    [
        ReverseTime(0.5),
        JitterFrames(0.5),
        Shear(0.5),
        ScaleBones(0.5),
        JointNoise(0.5),
        Mirror(0.5),
        DropJoints(0.5),
        DropStreams(0.5),
    ]
)


def preprocessing(modality: str, **options) -> Preprocessing:
    return Preprocessing(Modality(modality), 64, **options)


def everything_else(rule: str, sampling: str) -> Preprocessing:
    return Preprocessing(Modality("all", spans=(1, 4), distances=True), 32, rule, Sampling(sampling))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "x.h5"
    synthesize(path, "jhmdb", clips_per_class=3, val_per_class=1, test_per_class=1, frames=(2, 70), occlusion=0.2)
    return path


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [part.cpu() for part in batch if part is not None]


def equal(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("augmentation", [None, MASKS, Augmentation([Mirror(0.5), ZeroAxis(0.5)])])
def test_lazily_read_clips_give_the_same_batches(path: Path, modality: str, augmentation) -> None:
    training = RandomDraws(1, augmentation) if augmentation else None
    indices = torch.tensor([5, 0, 41, 5, -1, 7])
    batches = []
    for limit in (1e9, 0):
        data = read_data(path, memory_limit=limit)
        fetcher = ClipFetcher(data.splits["train"], data.layout, preprocessing(modality), training)
        batches.append(fetcher.fetch(indices, epoch=3))
    assert equal(*batches)


@pytest.mark.parametrize(("rule", "sampling"), [("aspect", "warp"), ("person", "strata")])
def test_all_options_give_the_same_clips_from_memory_and_file_and_in_any_batch(path, rule, sampling) -> None:
    read = [read_data(path, memory_limit=limit) for limit in (1e9, 0)]
    training = RandomDraws(1, EVERYTHING, classes=read[0].classes)
    indices = torch.tensor([5, 0, 41, 7])
    memory, file = (
        ClipFetcher(data.splits["train"], data.layout, everything_else(rule, sampling), training) for data in read
    )
    together = memory.fetch(indices, epoch=3)
    assert equal(together, file.fetch(indices, epoch=3))
    for place, index in enumerate(indices):
        alone = memory.fetch(index[None], epoch=3)
        for one, many in zip(tensors(alone), tensors(together), strict=True):
            torch.testing.assert_close(one[0], many[place], rtol=1e-4, atol=1e-5)


def test_all_loaders_share_the_clips_in_memory(path: Path) -> None:
    module = SkeletonDataModule(path, Modality("bone"), MASKS, batch_size=8)
    loaders = [
        module.loader("train", training=True),
        *(module.loader("train", view=v) for v in (None, RandomDraws(1, MASKS))),
    ]
    stores = {id(loader.dataset.fetcher.store) for loader in loaders}
    store = loaders[0].dataset.fetcher.store
    assert len(stores) == 1
    assert isinstance(store, MemoryStore)
    assert store.frames.data_ptr() == module.data.splits["train"].keypoints.ctypes.data


def test_reading_a_file_takes_little_more_memory_than_its_size(tmp_path: Path) -> None:
    import tracemalloc

    big = tmp_path / "big.h5"
    data = synthesize(big, "jhmdb", clips_per_class=60, val_per_class=1, test_per_class=1, frames=(60, 70))
    size = sum(clips.keypoints.nbytes for clips in data.splits.values())
    del data
    tracemalloc.start()
    module = SkeletonDataModule(big, Modality("all"), MASKS, batch_size=8)
    next(iter(module.train_dataloader()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * size + 2e6  # plus 2 MB of modules, names and batches


def test_files_over_the_limit_are_read_lazily_and_this_is_logged(path: Path, caplog) -> None:
    with caplog.at_level("INFO"):
        module = SkeletonDataModule(path, Modality("joint"), MASKS, memory_limit_gb=1e-5)
        assert isinstance(module.data.splits["train"].keypoints, LazyArray)
    assert "more than data.memory_limit_gb=1e-05" in caplog.text


def test_a_lazily_read_file_has_the_same_summary(path: Path) -> None:
    assert summarise(read_data(path, memory_limit=0)) == summarise(read_data(path))
    assert isinstance(read_data(path, memory_limit=0).splits["val"].keypoints, LazyArray)
    assert isinstance(read_data(path, memory_limit=1e9).splits["val"].keypoints, np.ndarray)


def test_damage_is_found_in_a_lazily_read_file(path: Path, tmp_path: Path) -> None:
    import h5py

    damaged = tmp_path / "x.h5"
    damaged.write_bytes(path.read_bytes())
    with h5py.File(damaged, "a") as file:
        file["train/keypoints"][7, 3, 1] = np.nan
        del file["train/keypoints_hashes"]
    messages = []
    for limit in (1e9, 0):
        with pytest.raises(UserError, match="is missing") as error:
            read_data(damaged, memory_limit=limit)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_do_not_depend_on_the_memory_limit_or_workers(path: Path, workers: int) -> None:
    def batches(**options) -> list[Batch]:
        return list(SkeletonDataModule(path, Modality("bone"), MASKS, batch_size=8, **options).train_dataloader())

    for a, b in zip(batches(), batches(memory_limit_gb=0, num_workers=workers), strict=True):
        assert equal(a, b)


def test_workers_are_refused_for_clips_on_a_device(path: Path) -> None:
    with pytest.raises(UserError, match=r"set data\.num_workers from 2 to 0"):
        SkeletonDataModule(path, Modality("joint"), MASKS, on_device=True, num_workers=2)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("augmentation", [None, MASKS, Augmentation([Mirror(0.5)])])
@pytest.mark.parametrize("gpu", [pytest.param(ACCELERATOR, marks=needs_gpu)])
def test_batches_made_on_a_gpu_are_the_same(path: Path, modality: str, augmentation, gpu: str) -> None:
    data = read_data(path)
    training = RandomDraws(1, augmentation) if augmentation else None
    devices = (torch.device("cpu"), torch.device(gpu))
    fetchers = [ClipFetcher(data.splits["train"], data.layout, preprocessing(modality), training, d) for d in devices]
    one, other = (fetcher.fetch(torch.arange(42)) for fetcher in fetchers)
    torch.testing.assert_close(other.clips.cpu(), one.clips, rtol=0, atol=1e-5)
    torch.testing.assert_close(other.times.cpu(), one.times, rtol=0, atol=1e-6)
    assert torch.equal(other.labels.cpu(), one.labels)


@pytest.mark.parametrize("augmentation", [None, MASKS, EVERYTHING], ids=["evaluation", "masks", "everything"])
@pytest.mark.parametrize("rule", ["official", "aspect", "person"])
@pytest.mark.parametrize("sampling", ["official", "strata", "warp"])
def test_making_a_batch_does_not_wait_for_the_gpu(path: Path, augmentation, rule: str, sampling: str) -> None:
    data = read_data(path)
    training = RandomDraws(1, augmentation) if augmentation else None
    preprocessing = everything_else(rule, sampling)
    fetcher = ClipFetcher(data.splits["train"], data.layout, preprocessing, training, DEVICE)
    fetcher.fetch(torch.arange(8))
    with RefuseWaiting():
        batch = fetcher.fetch(torch.arange(8), 1, torch.zeros(8, dtype=torch.long))
    assert batch.clips.device.type == DEVICE


def test_clips_keep_their_type(path: Path) -> None:
    clips = read_data(path, memory_limit=0).splits["test"]
    assert isinstance(clips, Clips)
    assert clips.clip(3).dtype == np.float32
    assert len(clips.keypoints) == clips.offsets[-1]
