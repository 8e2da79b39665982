"""Guards that stop a run before it wastes time or corrupts a file, and say why."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from mmn.data.pipeline.batch import Batch
from mmn.errors import UserError
from mmn.files import replacing


class StopOnNonFinite(Callback):
    """Stops at the first non-finite loss, names its clips and saves the batch.

    On a GPU, losses are checked every ``trainer.log_every_n_steps`` steps, so that no step waits for the check.

    Args:
        folder: where ``nonfinite_batch.pt`` is written.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "nonfinite_batch.pt"
        self.recent: list[tuple[int, Tensor, Tensor, Tensor | None]] = []  # step, loss, clip indices and repeats

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Check the losses since the last check."""
        self.recent.append((trainer.global_step, outputs["loss"].detach(), batch.indices, batch.repeats))
        on_cpu, every = pl_module.device.type == "cpu", trainer.log_every_n_steps  # type: ignore[attr-defined]
        if on_cpu or (batch_idx + 1) % every == 0 or batch_idx + 1 == trainer.num_training_batches:
            self._check(trainer)

    def _check(self, trainer: L.Trainer) -> None:
        finite = torch.stack([loss for _, loss, *_ in self.recent]).isfinite().tolist()
        recent, self.recent = self.recent, []
        if all(finite):
            return
        step, loss, indices, repeats = recent[finite.index(False)]
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        batch = data.loader("train", training=True).dataset.fetcher.fetch(indices, trainer.current_epoch, repeats)
        names = [data.data.splits["train"].names[i] for i in indices.tolist()]
        with replacing(self.path) as part:
            tensors = {name: tensor.cpu() for name, tensor in batch._asdict().items() if tensor is not None}
            torch.save({**tensors, "names": names, "step": step}, part)
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise UserError(
            f"the loss is {float(loss)} at step {step} (epoch {trainer.current_epoch + 1}), with clips {shown}; "
            f"the batch is saved in {self.path}: inspect these clips, or lower optimizer.lr."
        )


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes each checkpoint to a temporary file and renames it: a full disk or a kill leaves the old one intact."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save atomically."""
        content = io.BytesIO()  # torch's writer hides why a write failed
        torch.save(checkpoint, content)
        with replacing(Path(path)) as part:
            part.write_bytes(content.getbuffer())


@contextmanager
def memory_explained(batch_size: int, precision: str) -> Iterator[None]:
    """Replace an out-of-memory error by a sentence that says which settings to lower.

    Raises:
        UserError: instead of torch's out-of-memory error.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(
            f"a step of data.batch_size={batch_size} at trainer.precision={precision} does not fit in GPU memory; "
            "lower data.batch_size and raise trainer.accumulate_grad_batches by the same factor, or use "
            "trainer.precision=bf16."
        ) from None
