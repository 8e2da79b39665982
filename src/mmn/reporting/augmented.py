"""Augmented versions of a clip, as training draws them in each epoch."""

import numpy as np
import torch

from mmn.data.format.clips import Clips
from mmn.data.format.layout import Layout
from mmn.data.pipeline.augment import Augmentation
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing, RandomDraws
from mmn.reporting.animation import Shown


def augmented(clip: Shown, layout: Layout, augmentation: Augmentation, name: str, epochs: int) -> list[Shown]:
    """The original clip and its augmented versions in a number of epochs; dropped joints are hollow.

    Args:
        clip: the clip.
        layout: its skeleton.
        augmentation: the training augmentation.
        name: its name, for the titles.
        epochs: number of epochs.
    """
    frames, _, coordinates = clip.keypoints.shape
    preprocessing = Preprocessing(Modality("all"), frames, "aspect")  # several streams, of which some may be dropped
    clips = Clips.from_arrays([clip.keypoints])
    backwards = np.argsort(layout.order)  # from network order to the layout's

    def show(training: RandomDraws | None, epoch: int, title: str) -> Shown:
        batch = ClipFetcher(clips, layout, preprocessing, training).fetch(torch.tensor([0]), epoch)
        poses = batch.clips[0, :, backwards, :coordinates].numpy()
        return Shown(title, poses, (poses == 0).all(axis=2))

    plain = show(None, 0, clip.title)
    training = RandomDraws(1, augmentation, random_frames=False)
    return [plain, *(show(training, epoch, f"{name}, epoch {epoch}") for epoch in range(epochs))]
