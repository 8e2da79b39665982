"""Score each clip of a split exactly once, on any device, in any precision, with any number of processes."""

from collections.abc import Sequence

import lightning as L
import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from mmn.data.pipeline.augment import Augmentation
from mmn.data.pipeline.augment_joints import Mirror, check_mirror
from mmn.data.pipeline.batch import Batch
from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.preprocess import RandomDraws
from mmn.errors import UserError
from mmn.evaluation.scores import Scores, Source
from mmn.inference.infer import for_inference, infer
from mmn.inference.recorded import RecordedInference


class _Collector(Metric):
    """Logits and clip indices of all processes."""

    full_state_update = False
    logits: list[Tensor]
    index: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("logits", [], dist_reduce_fx="cat")
        self.add_state("index", [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, index: Tensor) -> None:
        self.logits.append(logits)
        self.index.append(index)

    def compute(self) -> tuple[Tensor, Tensor]:
        return dim_zero_cat(self.logits), dim_zero_cat(self.index)


class ScoringModule(L.LightningModule):
    """Runs the network over a split and keeps the logits in the order of the file."""

    def __init__(self, network: nn.Module, precision: str = "32", compiled: bool = False) -> None:
        super().__init__()
        self.network = RecordedInference(network, precision) if compiled else for_inference(network)
        self.precision = precision
        self.collector = _Collector()
        self.logits: Tensor | None = None

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Score one batch, ignoring padding clips."""
        logits = infer(self.network, batch.clips, batch.times, self.precision)
        real = batch.indices >= 0
        self.collector.update(logits[real], batch.indices[real])

    def on_test_epoch_end(self) -> None:
        """Gather all processes' clips in the order of the file."""
        logits, index = self.collector.compute()
        self.logits = torch.empty_like(logits).index_copy_(0, index, logits).cpu()
        self.collector.reset()


def score(
    trainer: L.Trainer, network: nn.Module, datamodule: SkeletonDataModule, split: str, precision: str = "32"
) -> Scores:
    """The scores of one split.

    Raises:
        UserError: a split the file does not have.
    """
    return score_views(trainer, network, datamodule, split, precision, [None])[0]


def score_views(
    trainer: L.Trainer,
    network: nn.Module,
    datamodule: SkeletonDataModule,
    split: str,
    precision: str,
    views: Sequence[RandomDraws | None],
    compiled: bool = False,
) -> list[Scores]:
    """The scores of one split for each test-time view of its clips; None is the unaugmented view.

    Raises:
        UserError: a split the file does not have, or ``compiled`` without a GPU.
    """
    if compiled and trainer.strategy.root_device.type != "cuda":
        raise UserError("compile=true needs a GPU; leave it out.")
    datamodule.trainer = trainer
    module = ScoringModule(network, precision, compiled)
    source = Source(data=str(datamodule.path.resolve()), split=split, view=datamodule.view)
    scores = []
    classes = datamodule.data.classes
    for view in views:
        mirrors = view is not None and any(isinstance(step, Mirror) for step in view.augmentation.steps)
        if mirrors:
            check_mirror(datamodule.data.layout)
        trainer.test(module, datamodule.loader(split, view=view), verbose=False)
        assert module.logits is not None
        logits = module.logits.numpy()
        if mirrors:  # a mirrored left-hand action is a right-hand action
            logits = logits[:, [other if other >= 0 else own for own, other in enumerate(classes.mirrored)]]
        clips = datamodule.data.splits[split]
        scores.append(Scores(clips.names, clips.labels, logits, classes, source, clips.groups))
    return scores


def test_time_views(samplings: int, flip: bool) -> list[RandomDraws | None]:
    """Test-time views: evenly spaced frames, then random samplings as in training; with ``flip``, mirrored too."""
    views: list[RandomDraws | None] = [None]
    views += [RandomDraws(seed, Augmentation()) for seed in range(1, samplings)]
    if flip:
        mirror = Augmentation([Mirror(1.0)])
        views += [RandomDraws(0, mirror, random_frames=False)]
        views += [RandomDraws(seed, mirror) for seed in range(1, samplings)]
    return views
