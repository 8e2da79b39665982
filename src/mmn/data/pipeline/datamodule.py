"""The LightningDataModule, which makes batches from one HDF5 file."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.lazy import log_lazy_reading
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.augment import Augmentation
from mmn.data.pipeline.augment_joints import mirrored_share
from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.batches import BatchDataset, BatchSampler, balanced, shown_per_class
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing, RandomDraws
from mmn.data.pipeline.stores import Store
from mmn.data.pipeline.subset import nested_subset
from mmn.data.view.view import View, differences
from mmn.errors import UserError
from mmn.text import counted

log = logging.getLogger(__name__)


class SkeletonDataModule(L.LightningDataModule):
    """Clips of one file, fetched a whole batch at a time.

    Args:
        path: the HDF5 file; it is the source of truth for layout, classes and splits.
        modality: the modality of the network's input.
        augmentation: augmentation of the training clips.
        num_frames: frames T per sample.
        batch_size: clips per process and training step.
        num_workers: loader processes; 0 is fastest for clips in memory, as making a batch is cheaper than passing it.
        memory_limit_gb: if the clips take more memory, they stay in the file and are read batch by batch.
        on_device: keep the clips and make the batches on the trainer's device instead of the CPU.
        seed: seed of clip order, frame sampling and augmentation.
        max_train_clips: size of a random subset to train on, stratified by class and drawn by the seed; larger subsets
            contain smaller ones. None for all clips.
        name: short name of the data set, for run names.
        get_it: command that the error message suggests if the file is missing.
        maker: creates the file if it is missing; None if it cannot be created.
        normalisation: ``official``, ``aspect`` or ``person``; see ``mmn.data.pipeline.normalise.boxes``.
        sampling: ``official``, ``strata`` or ``warp``; see ``mmn.data.pipeline.frames.Sampling``.
        sampling_strength: strength of ``warp``.
        balance: 0 shows every clip once per epoch, 0.5 samples classes by the square root of their size, 1 uniformly.
        view: the part of the file to use; see ``View``.

    Raises:
        UserError: an option is invalid; on ``setup``, the file is missing or unusable.
    """

    def __init__(
        self,
        path: str | Path,
        modality: Modality,
        augmentation: Augmentation,
        num_frames: int = 64,
        batch_size: int = 64,
        num_workers: int = 0,
        memory_limit_gb: float = 16.0,
        on_device: bool = False,
        seed: int = 1,
        max_train_clips: int | None = None,
        name: str = "",
        get_it: str = "mmn convert",
        maker: Callable[[Path], None] | None = None,
        normalisation: str = "official",
        sampling: str = "official",
        sampling_strength: float = 0.5,
        balance: float = 0.0,
        **view: Any,
    ) -> None:
        super().__init__()
        self.path, self.augmentation = Path(path), augmentation
        self.preprocessing = Preprocessing(modality, num_frames, normalisation, Sampling(sampling, sampling_strength))
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.memory_limit_gb, self.on_device = memory_limit_gb, on_device
        self.max_train_clips, self.balance = max_train_clips, balance
        self.name, self.get_it, self.maker = name, get_it, maker
        self.view = View(**view)
        self._data: SkeletonData | None = None
        self._stores: dict[tuple[str, torch.device], Store] = {}
        self.place = (0, 0)  # epochs, and batches of the next one, that a resumed run has completed
        self._checked = False
        if not 0.0 <= balance <= 1.0:
            raise UserError(f"data.balance is {balance}; use 0 (no balancing) to 1 (classes equally often).")
        if batch_size < 1 or num_workers < 0:
            raise UserError(f"data.batch_size is {batch_size}, data.num_workers {num_workers}; use at least 1 and 0.")
        if on_device and num_workers > 0:
            raise UserError(
                f"data.on_device makes batches in the main process; set data.num_workers from {num_workers} to 0."
            )

    @property
    def modality(self) -> Modality:
        """The modality of the network's input."""
        return self.preprocessing.modality

    @property
    def num_frames(self) -> int:
        """Frames T per sample."""
        return self.preprocessing.num_frames

    @property
    def channels(self) -> int:
        """Input channels per joint."""
        return self.modality.channels(self.data.coordinates, self.data.layout)

    @property
    def data(self) -> SkeletonData:
        """The view of the file's content, read and checked at first use."""
        if self._data is None:
            self.prepare_data()
            data = read_data(self.path, memory_limit=self.memory_limit_gb * 1e9)
            self._data = self.view.apply(data, str(self.path))
            for difference in differences(data, self._data):
                log.info("%s: %s", self.path, difference)
            log_lazy_reading([split.keypoints for split in self._data.splits.values()], self.path, self.memory_limit_gb)
        return self._data

    @property
    def val_split(self) -> str | None:
        """The split for validation: ``val``, or ``test`` in a file without it; None if val is trained on.

        Raises:
            UserError: neither has labels.
        """
        if self.view.trains_on_val:
            return None
        for split in ("val", "test"):
            clips = self.data.splits.get(split)
            if clips is not None and clips.labelled.any():
                return split
        raise UserError(f"{self.path} has no labelled val or test split for validation; add one.")

    def prepare_data(self) -> None:
        """Create the file if it is missing and can be created."""
        if self.path.exists():
            return
        if self.maker is None:
            raise UserError(f"there is no data file {self.path}; make it with `{self.get_it}` or give data.path.")
        self.maker(self.path)

    def setup(self, stage: str) -> None:
        """Check the training clips, once; warn if validation uses the test clips."""
        if stage != "fit" or self._checked:
            return
        clips = self._clips("train")
        unlabelled = (~clips.labelled).nonzero()[0]
        if len(unlabelled):
            raise UserError(
                f"{self.path}, split train: clip {clips.names[unlabelled[0]]} has no label; label it or remove it."
            )
        self._checked = True
        if self.view.folds is not None:
            held_out = self._clips("val")
            of = f" of {', '.join(sorted(set(held_out.groups)))}" if held_out.groups else ""
            log.info("fold %s: %s clips to train on, %s held out%s", self.view.fold, len(clips), len(held_out), of)
        if self.val_split is None:
            log.info("training on %s: no validation; the last epoch is kept.", " and ".join(self.view.train_splits))
        elif self.val_split == "test":
            log.warning("%s has no val split: its test clips serve as validation and choose the best epoch.", self.path)

    def _clips(self, split: str) -> Clips:
        if split not in self.data.splits:
            raise UserError(f"{self.path} has no split {split}; it has {', '.join(self.data.splits)}.")
        return self.data.splits[split]

    @property
    def training_clips(self) -> Tensor:
        """Indices of the train split's clips that are trained on."""
        labels, count = self._clips("train").labels, self.max_train_clips
        return torch.arange(len(labels)) if count is None else nested_subset(labels, count, self.seed)

    def check_batch(self, processes: int) -> None:
        """Check that there are clips for one batch of every process."""
        if (count := len(self.training_clips)) < self.batch_size * processes:
            raise UserError(
                f"{self.path} has {count} training clips, fewer than one batch of {self.batch_size} on "
                f"{counted(processes, 'process')}; lower data.batch_size."
            )

    @property
    def shown_per_class(self) -> Tensor:
        """Clips of each class that an epoch of training shows ``(K,)``, on average, counted after augmentation."""
        labels, share = self._clips("train").labels[self.training_clips], mirrored_share(self.augmentation.steps)
        return shown_per_class(labels, self.data.classes.mirrored, self.balance, share)

    @property
    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.on_device and self.trainer else torch.device("cpu")

    def _fetcher(self, split: str, random: RandomDraws | None) -> ClipFetcher:
        """A fetcher on the split's store, which all its fetchers share."""
        clips, key = self._clips(split), (split, self._device)
        stored = self._stores.get(key)
        fetcher = ClipFetcher(clips, self.data.layout, self.preprocessing, random, self._device, stored)
        self._stores[key] = fetcher.store
        return fetcher

    def loader(self, split: str, training: bool = False, view: RandomDraws | None = None) -> DataLoader[Batch]:
        """Batches of this process: shuffled and augmented for training, in order and complete for evaluation.

        Args:
            split: the file's split.
            training: whether to make training batches.
            view: for evaluation, random frames or augmentation of the clips; None for neither.

        Raises:
            UserError: the file lacks the split, or the split is too small for one training batch.
        """
        clips = self._clips(split)
        indices = self.training_clips if training else torch.arange(len(clips))
        random = RandomDraws(self.seed, self.augmentation, classes=self.data.classes)
        fetcher = self._fetcher(split, random if training else view)
        world_size, rank = (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)
        if training:
            self.check_batch(world_size)
        weights = balanced(clips.labels[indices], self.balance) if training and self.balance else None
        sampler = BatchSampler(indices, self.batch_size, self.seed if training else None, rank, world_size, weights)
        return DataLoader(
            BatchDataset(fetcher),
            sampler=sampler,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available() and fetcher.device.type == "cpu",
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """The training clips; in an epoch that an interrupted run had started, only those it had not seen."""
        loader = self.loader("train", training=True)
        sampler: Any = loader.sampler
        sampler.epoch, sampler.skip = self.place
        return loader

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The validation clips, if any."""
        return [] if self.val_split is None else self.loader(self.val_split)
