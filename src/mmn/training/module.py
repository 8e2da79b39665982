"""The LightningModule: network, loss, optimiser, schedule and validation metrics."""

from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from mmn.data.format.clips import UNKNOWN
from mmn.data.pipeline.batch import Batch
from mmn.errors import UserError
from mmn.evaluation.action_metrics import ActionMetrics
from mmn.inference.checkpoint import KEY
from mmn.inference.infer import for_inference, infer
from mmn.inference.recorded import RecordedInference, is_compiled
from mmn.inference.stream import Stream
from mmn.training.cuda_graphs import CudaGraphs
from mmn.training.epoch_means import EpochMeans
from mmn.training.loss import compute_loss, repeated
from mmn.training.parameters import Held, groups_by_stage, hold
from mmn.training.schedule import WarmupCosine


class MMNModule(L.LightningModule):
    """Trains a network.

    Args:
        network: any module that maps clips and times to logits.
        loss: its loss; see ``mmn.training.loss.compute_loss``.
        optimizer: creates the optimiser from parameter groups.
        scheduler: creates the per-step schedule from ``(optimizer, total_steps=, epochs=)``.
        stream: the description kept in checkpoints.
        seed: for dropout and stochastic depth.
        reference_batch: clips per step that the learning rate is meant for; the rate is scaled linearly to the actual
            clips per step over all processes. None to leave it unscaled.
        record: the settings of the run, kept in checkpoints; see ``mmn.engine.resume``.
        layer_decay: factor between the learning rates of successive stages, from the classifier back to the embedding.
        cuda_graphs: record training and validation batches as CUDA graphs.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: Callable[[list[dict[str, Any]]], Optimizer],
        scheduler: Callable[..., LRScheduler],
        stream: Stream,
        seed: int,
        reference_batch: int | None = None,
        record: dict[str, Any] | None = None,
        layer_decay: float = 1.0,
        cuda_graphs: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.loss = network, loss
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.stream, self.seed, self.reference_batch = stream, seed, reference_batch
        self.record, self.layer_decay = record or {}, layer_decay
        self.cuda_graphs = cuda_graphs
        self.graphs: CudaGraphs | None = None
        self._inference: list[Any] = []
        self.held: list[Held] = []  # partly trained parameters
        self.resumed_at: tuple[int, int] | None = None  # completed epochs, and batches done in the next one
        self.epoch_means = EpochMeans()
        self._requested: list[dict[str, Any]] = []
        self.val_metrics = ActionMetrics(stream.classes)
        self.val_loss = MeanMetric(nan_strategy="disable").set_dtype(torch.float64)  # looking for NaN waits for the GPU

    def forward(self, clips: Tensor, times: Tensor) -> Tensor:
        """``clips (B, T, V, C)``, ``times (B, T)`` → logits ``(B, K)``."""
        return self.network(clips, times)

    def seed_step(self, batch_idx: int) -> None:
        """Seed dropout by seed, epoch, batch and process only, so that a resumed run draws the same numbers."""
        numbers = np.random.SeedSequence([self.seed, self.current_epoch, batch_idx, self.global_rank])
        torch.manual_seed(int(numbers.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        self.seed_step(batch_idx)
        logits, parts = compute_loss(self.graphs or self.network, self.loss, batch)
        if self._is_logged:  # Lightning copies numbers to the GPU, which waits for it
            self.log("train/loss_step", parts.total.detach(), on_step=True, on_epoch=False)  # of this process
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], on_step=True, on_epoch=False)
        labels = repeated(batch.labels, logits)
        metrics = {"train/loss": parts.total.detach(), "train/top1": top1_percent(logits, labels)}
        metrics["train/cross_entropy"] = F.cross_entropy(logits.detach().float(), labels)
        if parts.consistency is not None:
            metrics |= {"train/classification": parts.classification, "train/consistency": parts.consistency}
        self.epoch_means.add(metrics, len(batch.labels))
        if self._ends_epoch(batch_idx):
            for name, value in self.epoch_means.take(self._sum).items():
                self.log(name, value, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
        batches, accumulated = int(self.trainer.num_training_batches), self.trainer.accumulate_grad_batches
        return parts.total * (accumulated / batches_of_step(batch_idx, batches, accumulated))

    @property
    def _is_logged(self) -> bool:
        """Whether loggers get this step."""
        return self.trainer._logger_connector.should_update_logs

    def _ends_epoch(self, batch_idx: int) -> bool:
        """Whether no batch of this epoch comes after this one."""
        steps = (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0
        return batch_idx + 1 >= self.trainer.num_training_batches or (
            steps and 0 < self.trainer.max_steps <= self.global_step + 1
        )

    def _sum(self, values: Tensor) -> Tensor:
        return self.trainer.strategy.reduce(values, reduce_op="sum")

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the gradient norm, if this step is logged."""
        if self._is_logged:
            gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients)
            scaler = getattr(self.trainer.precision_plugin, "scaler", None)  # of precision 16
            if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
                norm = norm / scaler.get_scale()  # the optimiser's step unscales, not Lightning
            self.log("grad_norm", norm)

    def on_validation_epoch_start(self) -> None:
        """Prepare the current weights for inference."""
        if not self.graphs:
            self._inference = [for_inference(self.network)]  # in a list, to keep it out of the module's state
        elif self._inference:
            self._inference[0].update(self.network)
        else:
            self._inference = [RecordedInference(self.network, compiled=is_compiled(self.network))]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Accumulate the metrics of one batch; the validation loss is the plain cross entropy."""
        logits = infer(self._inference[0], batch.clips, batch.times)
        losses = F.cross_entropy(logits, batch.labels, reduction="none", ignore_index=UNKNOWN)
        known = batch.labels != UNKNOWN  # as weights: selecting them would wait for the GPU
        self.val_loss.update(losses.double(), known.double())  # a mean over clips, whatever the number of processes
        self.val_metrics.update(logits, batch.labels)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics and reset them."""
        metrics = self.val_metrics.compute()
        self.val_metrics.reset()
        metrics["loss"] = float(self.val_loss.compute())
        self.val_loss.reset()
        for name, value in metrics.items():
            self.log(f"val/{name}", value, prog_bar=name == "top1", sync_dist=True)  # equal on every process

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """The optimiser over all parameters, and the schedule, stepped after every optimiser step."""
        groups, factors = groups_by_stage(self.network, self.layer_decay)
        optimizer = self.make_optimizer(groups)
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            group["lr"] *= factor
        hold(optimizer, self.held)
        if self.reference_batch is not None:
            clips = self.trainer.datamodule.batch_size * self.trainer.world_size  # type: ignore[attr-defined]
            for group in optimizer.param_groups:
                group["lr"] *= clips * self.trainer.accumulate_grad_batches / self.reference_batch
        self.trainer.fit_loop.setup_data()  # with max_steps and no max_epochs, Lightning has not counted batches yet
        total = int(self.trainer.estimated_stepping_batches)
        try:
            scheduler = self.make_scheduler(optimizer, total_steps=total, epochs=total / self.steps_per_epoch)
        except TypeError as error:
            raise UserError(
                "scheduler cannot be created: it must take optimizer, total_steps and epochs besides its own options "
                f"({str(error).rstrip('.')}); correct configs/scheduler."
            ) from error
        self._requested = [
            {k: v for k, v in group.items() if k not in ("params", "lr")} for group in optimizer.param_groups
        ]
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch of the attached trainer."""
        return max(1, -(-int(self.trainer.num_training_batches) // self.trainer.accumulate_grad_batches))

    def on_fit_start(self) -> None:
        """Pass the class counts to the loss, if it uses them, and prepare CUDA graphs, if requested.

        Raises:
            UserError: CUDA graphs in several processes.
        """
        if self.cuda_graphs:
            if self.trainer.world_size > 1:
                raise UserError("cuda_graphs=true is for one GPU; use trainer=gpu, or leave it out.")
            dtypes = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
            self.graphs = CudaGraphs(self.network, dtypes.get(str(self.trainer.precision)))
        count: Any = getattr(self.loss, "count", None)
        datamodule: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if count is not None and datamodule is not None:
            count(datamodule.shown_per_class.float().to(self.device))

    def on_train_start(self) -> None:
        """When resuming, apply the requested optimiser settings and schedule instead of the checkpoint's."""
        if self.resumed_at is None:
            return
        optimizer, scheduler = self.trainer.optimizers[0], self.trainer.lr_scheduler_configs[0].scheduler
        for group, requested in zip(optimizer.param_groups, self._requested, strict=True):
            group.update(requested)
        if isinstance(scheduler, WarmupCosine):
            epochs, batches = self.resumed_at
            scheduler.move_to(epochs * self.steps_per_epoch + batches // self.trainer.accumulate_grad_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what evaluation and resuming need."""
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress.current
        over = progress.processed >= self.trainer.num_training_batches
        place = [self.current_epoch + over, 0 if over else progress.processed]
        if not over and progress.processed:  # an epoch that max_steps or max_time ended counts as done; go on in it
            for count in checkpoint["loops"]["fit_loop"]["epoch_progress"].values():
                count["processed"] = min(count["processed"], count["started"] - 1)
        checkpoint[KEY] = {
            "stream": self.stream.as_dict(),
            "run": {**self.record, "place": place, "steps_per_epoch": self.steps_per_epoch},
            "epoch_means": self.epoch_means.state(self._sum),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the metrics of an interrupted epoch."""
        if self.trainer.is_global_zero:
            self.epoch_means.load(checkpoint.get(KEY, {}).get("epoch_means", {}), self.device)


def batches_of_step(batch: int, batches: int, accumulated: int) -> int:
    """Number of batches in the optimiser step that includes ``batch``, in an epoch of ``batches``.

    The last step of an epoch may have fewer than ``accumulated``, but Lightning always divides by ``accumulated``.
    """
    return min(accumulated, batches - batch // accumulated * accumulated)


def top1_percent(logits: Tensor, labels: Tensor) -> Tensor:
    """Top-1 accuracy of ``logits (B, K)``, in percent."""
    return (logits.detach().argmax(dim=1) == labels).float().mean() * 100
