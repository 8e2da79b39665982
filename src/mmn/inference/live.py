"""Recognise a live recording frame by frame, from a window over its last frames."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mmn.data.format.clips import LARGEST, Clips
from mmn.data.format.layout import Layout
from mmn.data.pipeline.normalise import Box, boxes
from mmn.data.pipeline.preprocess import ClipFetcher
from mmn.data.sources.fill import place_unseen
from mmn.errors import UserError
from mmn.inference.infer import infer
from mmn.inference.member import Member
from mmn.inference.stream import Stream

_CENTRE = 2  # index among the three points that represent a frame


class LiveStream:
    """Probabilities after each frame; created by ``Predictor.stream``."""

    def __init__(
        self, members: Sequence[Member], layout: Layout, window: int, temperature: float, precision: str
    ) -> None:
        if window < 1:
            raise UserError(f"a window of {window} frames is empty; use at least 1.")
        self._members, self._layout, self._temperature = members, layout, temperature
        self._joints = [member.stream.joints_in(layout) for member in members]
        self._needed = sorted({int(joint) for joints in self._joints for joint in joints})
        self._order = [list(layout.walk(joint)) for joint in range(layout.num_joints)]
        self._window, self._precision = window, precision
        self._last = np.full((layout.num_joints, 0), np.nan, np.float32)
        self._start_anew()

    def _start_anew(self) -> None:
        """Forget all frames so far."""
        self._patience = self._window  # frames to wait for joints that were never seen
        self._absent = 0  # frames without any joint
        self._last = np.full_like(self._last, np.nan)
        self._windows = [
            LiveWindow(m.network, m.stream, self._window, m.device, self._precision) for m in self._members
        ]

    def __call__(self, frame: ArrayLike) -> NDArray[np.float64] | None:
        """Calibrated probabilities ``(K,)`` of the window that ends with this frame.

        They equal those of ``Predictor`` for the window as a clip. A missing joint (NaN) keeps its last position. A
        joint that is not seen in as many frames as the window has is taken to be at the nearest one along the bones.
        Once no joint was seen in half as many frames, nobody is in view, and the recording starts anew.

        Args:
            frame: ``(V, C)`` joints in the layout's order, in the same unit as earlier frames.

        Returns:
            None while nobody is in view or a joint that the networks use is waited for; these frames are skipped.

        Raises:
            UserError: an array of another shape, or invalid coordinates.
        """
        self._see(np.asarray(frame, np.float64))
        joints_now = self._complete()
        if joints_now is None:
            return None
        logits = [window(joints_now[joints]) for window, joints in zip(self._windows, self._joints, strict=True)]
        scores = torch.from_numpy(np.mean(logits, axis=0) / self._temperature)
        return scores.softmax(dim=-1).numpy()

    def _see(self, frame: NDArray[np.floating]) -> None:
        """Update the joints from a frame."""
        joints = self._layout.num_joints
        if frame.ndim != 2 or len(frame) != joints or (self._last.size and frame.shape != self._last.shape):
            raise UserError(
                f"a frame has shape {frame.shape} instead of ({joints} joints, coordinates), the same for all frames; "
                "give the layout of its skeleton."
            )
        if not self._last.size:
            for member in self._members:
                member.check_coordinates(frame.shape[1])
            self._last = np.full(frame.shape, np.nan, np.float32)
        missing = np.isnan(frame)
        if (np.abs(frame[~missing]) > LARGEST).any():
            raise UserError(f"a frame has a coordinate beyond {LARGEST:g}, which is not plausible; leave it out.")
        self._last = np.where(missing.any(axis=1, keepdims=True), self._last, frame).astype(np.float32)
        self._absent = self._absent + 1 if missing.all() else 0
        self._patience -= self._absent == 0
        if self._absent > self._window / 2:
            self._start_anew()

    def _complete(self) -> NDArray[np.float32] | None:
        """The present position of every joint; None while some that the networks use are waited for."""
        seen = np.asarray(~np.isnan(self._last).any(axis=1))
        if seen[self._needed].all():
            return self._last
        if self._patience > 0:
            return None
        shown = self._last.copy()
        place_unseen(shown[None], seen, self._order)
        return shown


class LiveWindow:
    """One network, applied to the last frames of a live recording.

    Args:
        network: result of ``for_inference``.
        stream: the network's stream.
        window: length in frames.
        device: the network's device.
        precision: ``"32"`` or ``"bf16"``.
    """

    def __init__(self, network: nn.Module, stream: Stream, window: int, device: str, precision: str = "32") -> None:
        self._network, self._stream, self._device, self._precision = network, stream, device, precision
        self._window = window
        self._store: _WindowStore | None = None
        self._fetcher: ClipFetcher | None = None

    def __call__(self, joints: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits ``(K,)`` of the window that ends with these ``joints (V, C)``, in the order of the stream's layout."""
        layout, preprocessing = self._stream.layout, self._stream.preprocessing
        if self._store is None:
            self._store = _WindowStore(self._window, joints.shape, layout.centre, preprocessing.normalisation)
        self._store.add(torch.from_numpy(joints))
        if self._fetcher is None or self._fetcher.lengths[0] != len(self._store):  # until the window is full
            clip = Clips.from_arrays([np.zeros((len(self._store), *joints.shape), np.float32)])
            self._fetcher = ClipFetcher(clip, layout, preprocessing, store=self._store)
        batch = self._fetcher.fetch(torch.zeros(1, dtype=torch.long))
        logits = infer(self._network, batch.clips.to(self._device), batch.times.to(self._device), self._precision)
        return logits[0].double().cpu().numpy()


class _WindowStore:
    """The last frames of a recording as the only clip of a store; see ``mmn.data.pipeline.stores``.

    The buffer is twice as long as the window, so that the window is always contiguous. Each frame is reduced, once, to
    three points: its extremes and its centre joint, which give the same box as all joints.
    """

    def __init__(self, window: int, shape: tuple[int, ...], centre: int, rule: str) -> None:
        self._window, self._centre, self._rule = window, centre, rule
        self._frames, self._points = torch.zeros(2 * window, *shape), torch.zeros(2 * window, 3, shape[1])
        self._end = 0

    def __len__(self) -> int:
        return min(self._end, self._window)

    def add(self, joints: Tensor) -> None:
        """Append a frame ``joints (V, C)`` to the window."""
        if self._end == 2 * self._window:
            kept = self._window - 1
            for buffer in (self._frames, self._points):
                buffer[:kept] = buffer[self._end - kept :]
            self._end = kept
        self._frames[self._end] = joints
        self._points[self._end] = torch.stack([joints.amin(dim=0), joints.amax(dim=0), joints[self._centre]])
        self._end += 1

    def take(self, clips: Tensor, frames: Tensor) -> tuple[Tensor, Box]:
        """See ``Store``."""
        start = self._end - len(self)
        sampled = self._frames.index_select(0, start + frames.view(-1)).view(*frames.shape, *self._frames.shape[1:])
        return sampled, boxes(self._points[start : self._end], torch.tensor([len(self)]), _CENTRE, self._rule)
