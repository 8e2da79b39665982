"""The ``plus`` recipe: evaluation uses the preprocessing of training."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from commands import in_process, train
from conftest import save_untrained

import mmn
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.augment import Augmentation
from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.frames import Sampling
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import ClipFetcher, Preprocessing
from mmn.engine.scoring import score_views
from mmn.engine.scoring import test_time_views as views_of
from mmn.inference.stream import MMN_TARGET, Stream, stream_of
from mmn.training.loss import MotionConsistencyLoss
from mmn.training.module import MMNModule, batches_of_step

OPTIONS = [
    "modality=all", "modality.spans=[1,2]", "modality.distances=true", "model.lift=[8,12]",
    "data.normalisation=aspect", "data.sampling=warp", "data.sampling_strength=0.3", "augmentation=strong",
    "data.balance=0.5", "loss.logit_adjustment=1",
    "trainer.max_epochs=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def plus(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plus") / "run"
    result = train(folder, jhmdb_like, *OPTIONS)
    assert result.returncode == 0, result.stderr
    return folder


def test_a_checkpoint_records_all_of_its_preprocessing(plus: Path, small: SkeletonData) -> None:
    network = mmn.load_network(plus / "checkpoints" / "best.ckpt")
    modality = Modality("all", "tree", (1, 2), distances=True)
    assert stream_of(network).preprocessing == Preprocessing(modality, 16, "aspect", Sampling("warp", 0.3))
    assert network.config["coordinates"] == 2 * (2 + 2 * 2) + 5
    assert [linear.out_features for linear in network.embedding.lift] == [8, 12, 16]
    clip = small.splits["test"].clip(0)
    clips, times = mmn.prepare([clip], network=network)
    expected = mmn.prepare([clip], small.layout, modality, 16, normalisation="aspect", sampling="warp")
    assert torch.equal(clips, expected[0])
    assert torch.equal(times, expected[1])


def test_evaluation_needs_nothing_but_the_checkpoint(plus: Path, tmp_path: Path) -> None:
    result = in_process(
        "eval.py", f"ckpt_path={plus}/checkpoints/best.ckpt", f"hydra.run.dir={tmp_path}/e", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    import h5py

    with h5py.File(plus / "scores_test.h5") as one, h5py.File(tmp_path / "e" / "scores.h5") as other:
        np.testing.assert_allclose(one["logits"][()], other["logits"][()], atol=1e-5)


def test_the_last_step_of_an_epoch_is_the_mean_of_its_batches(jhmdb_like: Path) -> None:
    assert [batches_of_step(batch, 12, 5) for batch in range(12)] == [5] * 10 + [2] * 2
    assert [batches_of_step(batch, 3, 1) for batch in range(3)] == [1] * 3
    data = SkeletonDataModule(jhmdb_like, Modality("joint"), Augmentation(), num_frames=8, batch_size=16)
    network = mmn.MMN(15, 14, num_frames=8, width=16, depth=1, drop_path=0.0, dropout=0.0)
    stream = Stream(data.preprocessing, data.data.layout, data.data.classes, MMN_TARGET, dict(network.config))
    still, steps = partial(torch.optim.SGD, lr=0.0), Gradients()
    module = MMNModule(network, MotionConsistencyLoss(), still, never_changes, stream, seed=1)
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=1, accumulate_grad_batches=2, limit_val_batches=0, logger=False, callbacks=steps,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, data)
    batches = list(data.loader("train", training=True))
    assert (len(batches), len(steps.seen)) == (3, 2)
    for some, seen in zip((batches[:2], batches[2:]), steps.seen, strict=True):
        loss = torch.stack([module.loss(network(b.clips, b.times), b.labels).total for b in some]).mean()
        (expected,) = torch.autograd.grad(loss, [network.classifier.weight])
        torch.testing.assert_close(seen, expected)


class Gradients(L.Callback):
    """Keeps the classifier's gradient at each step."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def on_before_optimizer_step(self, trainer, module, optimizer) -> None:
        self.seen.append(module.network.classifier.weight.grad.clone())


def never_changes(optimizer, total_steps: int, epochs: float):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def with_sides(data: SkeletonData, **layout) -> SkeletonData:
    names = ["clap left", "clap right", *data.classes.names[2:]]
    return replace(data, classes=replace(data.classes, names=names), layout=replace(data.layout, **layout))


def test_mirrored_views_swap_left_and_right_classes(small: SkeletonData, tmp_path: Path) -> None:
    data, network = with_sides(small), mmn.MMN(15, 14, num_frames=8, width=16, depth=1).eval()
    write_data(tmp_path / "x.h5", data)
    module = SkeletonDataModule(tmp_path / "x.h5", Modality("joint"), Augmentation(), num_frames=8)
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    _, mirrored = score_views(trainer, network, module, "test", "32", views_of(1, flip=True))
    fetcher = ClipFetcher(data.splits["test"], data.layout, module.preprocessing, views_of(1, flip=True)[1])
    seen = fetcher.fetch(torch.arange(len(fetcher)))
    logits = mmn.infer(network, seen.clips, seen.times)
    np.testing.assert_allclose(mirrored.logits, logits[:, [1, 0, *range(2, 14)]], atol=1e-5)
    assert seen.labels.tolist() == data.splits["test"].labels.tolist()


def test_views_of_a_layout_without_sides_are_not_mirrored(small: SkeletonData, tmp_path: Path) -> None:
    data = with_sides(small, flip_pairs=[])
    write_data(tmp_path / "x.h5", data)
    checkpoint = save_untrained(tmp_path / "x.ckpt", data, tmp_path / "x.h5")
    result = in_process("eval.py", f"ckpt_path={checkpoint}", "tta.flip=true", cwd=tmp_path)
    assert result.returncode != 0
    assert "mirroring needs the layout's flip_pairs" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_swapped_classes_are_stored_in_the_file(small: SkeletonData, tmp_path: Path) -> None:
    flips = [1, 0, -1, *range(3, 14)]
    write_data(tmp_path / "x.h5", replace(small, classes=replace(small.classes, flips=flips)))
    assert read_data(tmp_path / "x.h5").classes.mirrored == flips
    import h5py

    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["classes/flips"][0] = 14
    with pytest.raises(mmn.UserError, match="classes/flips"):
        read_data(tmp_path / "x.h5")
