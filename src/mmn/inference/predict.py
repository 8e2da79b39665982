"""Predict the classes of clips with one checkpoint, or an ensemble of several."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data
from mmn.data.format.layout import Layout, load_layout
from mmn.errors import UserError
from mmn.inference.checkpoint import Networks
from mmn.inference.live import LiveStream
from mmn.inference.member import Member
from mmn.inference.stream import Stream
from mmn.inference.temperature import mean_temperature, warn_if_unknown

log = logging.getLogger(__name__)


class Predictor:
    """Predicts classes: ``Predictor("best.ckpt")(clips)`` returns probabilities ``(N, K)`` of the classes ``.classes``.

    Args:
        checkpoints: one, or several whose logits are averaged; they may use different joints.
        device: the networks' device.
        precision: ``"32"`` or ``"bf16"``.
        batch_size: clips per batch.
        layout: the layout of official weights, which do not record it: a built-in one or a YAML file.
        modality: the modality of official weights, such as ``bone``.
        network: the class of a network of your own; see ``load_checkpoint``.

    Raises:
        UserError: a file is not a checkpoint, official weights lack a layout or modality, or the checkpoints have
            different classes.
    """

    def __init__(
        self,
        *checkpoints: str | Path,
        device: str = "cpu",
        precision: str = "32",
        batch_size: int = 64,
        layout: str | Path | None = None,
        modality: str | None = None,
        network: Networks = None,
    ) -> None:
        if not checkpoints:
            raise UserError("there is no checkpoint to predict with; give one.")
        self.device, self.precision, self.batch_size = device, precision, batch_size
        self._members = [Member(path, device, layout, modality, network) for path in checkpoints]
        if modality is not None and not any(member.checkpoint.stream is None for member in self._members):
            raise UserError(f"{checkpoints[0]} records its modality; leave out modality {modality}.")
        for member in self._members[1:]:
            if member.stream.classes.names != self.classes.names:
                raise UserError(
                    f"{member.path} has different classes from {checkpoints[0]}; combine ones with the same classes."
                )
        temperatures = [member.checkpoint.temperature for member in self._members]
        warn_if_unknown(dict(zip(checkpoints, temperatures, strict=True)))
        self.temperature = mean_temperature(temperatures)

    @property
    def classes(self) -> Classes:
        """The classes of the networks."""
        return self._members[0].stream.classes

    def threshold(self, coverage: float) -> float:
        """The probability below which a clip is assigned to none of the classes.

        For several networks, it is found on the val clips of the first one's data file that none was trained on.

        Args:
            coverage: share of the val clips that reach the threshold, above 0 and at most 1.

        Raises:
            UserError: the coverage is out of range, or the checkpoint does not record its confidence on the val split;
                for several networks, there are no such val clips.
        """
        if not 0 < coverage <= 1:
            raise UserError(f"--coverage is {coverage:g}; it must be a share of clips, above 0 and at most 1.")
        member = self._members[0]
        if len(self._members) > 1:
            return float(np.quantile(self._on_val_clips(member.stream).max(axis=1), 1 - coverage))
        if (threshold := member.checkpoint.threshold(coverage)) is None:
            raise UserError(
                f"{member.path} does not record its confidence on a val split, which --coverage needs; give the "
                "best.ckpt of a run with a val split."
            )
        return threshold

    def _on_val_clips(self, stream: Stream) -> NDArray[np.float64]:
        """Probabilities ``(N, K)`` of a network's labelled val clips that none was trained on."""
        path, view = stream.view_of(None)
        data = view.apply(read_data(path, ["train", "val"]), str(path)) if path.is_file() else None
        clips = data.splits.get("val") if data else None
        if data is None or clips is None or not clips.labelled.any():
            raise UserError(f"--coverage of several networks needs the val clips of {path}, which are not there.")
        if self.untraceable:
            listed = ", ".join(self.untraceable)
            log.warning("the training clips of %s are not recorded; --coverage may count some of them", listed)
        unseen = np.flatnonzero(clips.labelled & ~self.trained_on(clips, data.layout)).tolist()
        if not unseen:
            raise UserError(
                f"--coverage of several networks needs val clips that none of them was trained on; {path} has none, "
                "as for networks of different folds; give one network."
            )
        return self([clips.clip(index) for index in unseen], data.layout)

    @property
    def background(self) -> int | None:
        """Index of the class that means none of the others (``data.rest``), if the first network has one."""
        rest = self._members[0].stream.view.rest
        return self.classes.names.index(rest) if rest in self.classes.names else None

    @property
    def layout(self) -> Layout:
        """The default layout of clips: that of the first checkpoint."""
        return self._members[0].stream.layout

    @property
    def coordinates(self) -> int:
        """Coordinates per joint: those that the networks were trained on, 2 or 3."""
        return self._members[0].stream.coordinates

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
        """Logits ``(N, K)``: the mean over the networks, divided by the mean of the temperatures they record.

        Args:
            clips: arrays ``(T_i, V, C)``, in any unit.
            layout: the layout of the clips: a built-in one, a YAML file or a ``Layout``; None for the network's own.

        Raises:
            UserError: clips of the wrong shape, or without a joint that the networks need.
        """
        skeleton = layout if isinstance(layout, Layout) or layout is None else load_layout(layout)
        parts = [clips[start : start + self.batch_size] for start in range(0, len(clips), self.batch_size)]
        if not parts:
            return np.zeros((0, len(self.classes.names)))
        return np.concatenate([self._batch(part, skeleton or self.layout) for part in parts])

    def examine(
        self, clips: Sequence[NDArray[np.floating]], layout: str | Path | Layout | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Logits ``(N, K)``, and features ``(N, D)``: the concatenated inputs of the networks' classifiers."""
        with ExitStack() as stack:
            inputs = [stack.enter_context(member.classifier_inputs()) for member in self._members]
            logits = self.logits(clips, layout)
        return logits, np.concatenate([np.concatenate(seen) for seen in chain(*inputs)], axis=1)

    def trained_on(self, clips: Clips, layout: Layout) -> NDArray[np.bool_]:
        """Which clips ``(N,)`` any of the networks was trained on, by their keypoints; see ``untraceable``."""
        return np.any([member.stream.seen(clips, layout) for member in self._members], axis=0)

    @property
    def untraceable(self) -> list[str]:
        """The checkpoints that do not record which clips they were trained on."""
        return [str(member.path) for member in self._members if member.stream.trained_on is None]

    @property
    def window(self) -> int:
        """Default window in frames: the median length of the first network's training clips; 64 if unknown."""
        return self._members[0].checkpoint.clip_length or 64

    def stream(self, window: int | None = None, layout: str | Path | Layout | None = None) -> LiveStream:
        """Predict on a live recording: ``stream(frame)`` returns the probabilities ``(K,)`` of its last frames.

        Args:
            window: number of last frames, from which the network samples its input; initially, all frames so far;
                None for ``self.window``.
            layout: the layout of frames ``(V, C)``; see ``logits``.

        Raises:
            UserError: the window is empty, or the layout lacks a joint that the networks need.
        """
        skeleton = layout if isinstance(layout, Layout) else self.layout if layout is None else load_layout(layout)
        return LiveStream(
            self._members, skeleton, self.window if window is None else window, self.temperature, self.precision
        )

    def _batch(self, clips: Sequence[NDArray[np.floating]], layout: Layout) -> NDArray[np.float64]:
        scores = [member.logits(clips, layout, self.precision) for member in self._members]
        return np.mean(scores, axis=0) / self.temperature
