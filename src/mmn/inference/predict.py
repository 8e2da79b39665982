"""Networks at work on loose clips: probabilities, from one checkpoint or several as an ensemble."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.layout import Layout, load_layout
from mmn.errors import UserError
from mmn.inference.live import LiveStream
from mmn.inference.member import Member


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
        self._members = [Member(path, device, layout, modality) for path in checkpoints]
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

    def check(self, layout: Layout, coordinates: int) -> None:
        """Refuse clips that the networks cannot see.

        Raises:
            UserError: a layout that lacks a joint of theirs, or another number of coordinates than they know.
        """
        for member in self._members:
            member.stream.joints_in(layout)
            member.check_coordinates(coordinates)

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

    def examine(
        self, clips: Sequence[NDArray[np.floating]], layout: str | Path | Layout | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """``logits (N, K)``, and the features ``(N, D)`` that the networks' classifiers make them of."""
        with ExitStack() as stack:
            seen = [stack.enter_context(member.classifier_inputs()) for member in self._members]
            logits = self.logits(clips, layout)
        return logits, np.concatenate([np.concatenate(features) for features in seen], axis=1)

    def was_trained_on(self, digest: str) -> bool:
        """Whether a network was trained on the data file of this content; see ``mmn.data.format.skeletons.digest``."""
        return any(member.stream.data_digest == digest for member in self._members)

    def stream(self, window: int = 64, layout: str | Path | Layout | None = None) -> LiveStream:
        """Recognises a recording that goes on: ``stream(frame)`` are the probabilities ``(K,)`` of its last frames.

        Args:
            window: how many frames, of which the network samples as many as it was trained with; before there are as
                many, all there are.
            layout: the skeleton that frames ``(V, C)`` are in; see ``logits``.

        Raises:
            UserError: a window of no frames, or a skeleton that lacks a joint the networks see.
        """
        skeleton = layout if isinstance(layout, Layout) else self.layout if layout is None else load_layout(layout)
        return LiveStream(self._members, skeleton, window, self.temperature, self.precision)

    def _batch(self, clips: Sequence[NDArray[np.floating]], layout: Layout) -> NDArray[np.float64]:
        scores = [member.logits(clips, layout, self.precision) for member in self._members]
        return np.mean(scores, axis=0) / self.temperature
