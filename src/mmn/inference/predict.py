"""Networks at work on loose clips: probabilities, from one checkpoint or several as an ensemble."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.layout import Layout, load_layout
from mmn.data.pipeline.prepare import prepare_as
from mmn.errors import UserError
from mmn.inference.checkpoint import Checkpoint, load_checkpoint
from mmn.inference.infer import for_inference, infer
from mmn.inference.official_stream import official_stream
from mmn.inference.stream import Stream


class Predictor:
    """Recognises clips: ``Predictor("best.ckpt")(clips)`` are probabilities ``(N, K)`` of the classes ``.classes``.

    Args:
        checkpoints: one, or several whose logits are averaged; they may see joints of their own.
        device: where the networks work.
        precision: ``"32"`` or ``"bf16"``.
        batch_size: clips at a time.
        layout: the skeleton of official weights, which do not record it: a built-in one or a YAML file.
        modality: what official weights see, such as ``bone``.

    Raises:
        UserError: a file that is no checkpoint, official weights without layout and modality, or checkpoints that
            recognise different classes.
    """

    def __init__(
        self,
        *checkpoints: str | Path,
        device: str = "cpu",
        precision: str = "32",
        batch_size: int = 64,
        layout: str | Path | None = None,
        modality: str | None = None,
    ) -> None:
        if not checkpoints:
            raise UserError("there is no checkpoint to predict with; give one.")
        self.device, self.precision, self.batch_size = device, precision, batch_size
        self._members = [_Member(path, device, layout, modality) for path in checkpoints]
        if modality is not None and not any(member.checkpoint.stream is None for member in self._members):
            raise UserError(f"{checkpoints[0]} records its modality; leave out modality {modality}.")
        for member in self._members[1:]:
            if member.stream.classes.names != self.classes.names:
                raise UserError(
                    f"{member.path} has other classes than {checkpoints[0]}; combine checkpoints with the same classes."
                )
        self.temperature = float(np.mean([member.checkpoint.temperature for member in self._members]))

    @property
    def classes(self) -> Classes:
        """What is recognised."""
        return self._members[0].stream.classes

    def threshold(self, coverage: float) -> float:
        """The probability below which a clip is of none of the classes.

        Args:
            coverage: share of the val clips that stay above it, above 0 and at most 1; of several networks, the mean
                of their thresholds.

        Raises:
            UserError: another share, or a checkpoint that does not record how sure it was of its val clips.
        """
        if not 0 < coverage <= 1:
            raise UserError(f"--coverage is {coverage:g}; it is a share of clips, above 0 and at most 1.")
        found = {member.path: member.checkpoint.threshold(coverage) for member in self._members}
        for path, threshold in found.items():
            if threshold is None:
                raise UserError(
                    f"{path} does not record how sure it was of val clips, which --coverage needs; give the best.ckpt "
                    "of a run that has them."
                )
        return float(np.mean(list(found.values())))

    @property
    def background(self) -> int | None:
        """The class of what is none of the others, where the first network was trained with one (``data.rest``)."""
        rest = self._members[0].stream.view.rest
        return self.classes.names.index(rest) if rest in self.classes.names else None

    @property
    def layout(self) -> Layout:
        """The skeleton that clips are expected in where their own is not given: that of the first checkpoint."""
        return self._members[0].stream.layout

    def __call__(
        self, clips: Sequence[NDArray[np.floating]], layout: str | Path | Layout | None = None
    ) -> NDArray[np.float64]:
        """Calibrated probabilities ``(N, K)`` of clips; see ``logits``."""
        return torch.from_numpy(self.logits(clips, layout)).softmax(dim=-1).numpy()

    def logits(
        self, clips: Sequence[NDArray[np.floating]], layout: str | Path | Layout | None = None
    ) -> NDArray[np.float64]:
        """Logits ``(N, K)``: the mean over the networks, divided by the temperature that suited their val splits.

        Args:
            clips: arrays ``(T_i, V, C)``, in any unit.
            layout: the skeleton they are in: a built-in one, a YAML file or a ``Layout``; None for the network's own.

        Raises:
            UserError: clips that lack a joint the networks see, or that are none.
        """
        skeleton = layout if isinstance(layout, Layout) or layout is None else load_layout(layout)
        parts = [clips[start : start + self.batch_size] for start in range(0, len(clips), self.batch_size)]
        if not parts:
            return np.zeros((0, len(self.classes.names)))
        return np.concatenate([self._batch(part, skeleton or self.layout) for part in parts])

    def _batch(self, clips: Sequence[NDArray[np.floating]], layout: Layout) -> NDArray[np.float64]:
        scores = [member.logits(clips, layout, self.precision) for member in self._members]
        return np.mean(scores, axis=0) / self.temperature


class _Member:
    """One network of an ensemble."""

    def __init__(self, path: str | Path, device: str, layout: str | Path | None, modality: str | None) -> None:
        self.path, self.device = path, device
        self.checkpoint: Checkpoint = load_checkpoint(path)
        self.stream: Stream = self.checkpoint.stream or official_stream(path, self.checkpoint, layout, modality)
        self.network = for_inference(self.checkpoint.network).to(device)

    def logits(self, clips: Sequence[NDArray[np.floating]], layout: Layout, precision: str) -> NDArray[np.float64]:
        """``(N, K)`` of clips ``(T_i, V, C)`` in a layout."""
        joints = self.stream.joints_in(layout)
        stray = next((clip.shape for clip in clips if clip.ndim != 3 or clip.shape[1] != layout.num_joints), None)
        if stray is not None:
            raise UserError(
                f"a clip has shape {stray} where (frames, {layout.num_joints} joints, coordinates) belong; say which "
                "skeleton it is in by its layout."
            )
        coordinates = clips[0].shape[2]
        if self.stream.modality.channels(coordinates, self.stream.layout) != self.stream.arguments["coordinates"]:
            raise UserError(f"{self.path} was not trained on clips in {coordinates}D; give clips like those it was.")
        chosen = [np.asarray(clip)[:, joints] for clip in clips]
        x, times = prepare_as(self.stream.preprocessing, chosen, self.stream.layout)
        return infer(self.network, x.to(self.device), times.to(self.device), precision).double().cpu().numpy()
