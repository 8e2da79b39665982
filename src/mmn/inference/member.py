"""One network of an ensemble, at work on loose clips."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.pipeline.prepare import prepare_as
from mmn.errors import UserError
from mmn.inference.checkpoint import Checkpoint, load_checkpoint
from mmn.inference.infer import for_inference, infer
from mmn.inference.official_stream import official_stream
from mmn.inference.stream import Stream


class Member:
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
        self.check_coordinates(clips[0].shape[2])
        chosen = [np.asarray(clip)[:, joints] for clip in clips]
        x, times = prepare_as(self.stream.preprocessing, chosen, self.stream.layout)
        return infer(self.network, x.to(self.device), times.to(self.device), precision).double().cpu().numpy()

    @contextmanager
    def classifier_inputs(self) -> Iterator[list[NDArray[np.float32]]]:
        """A list that grows by the features ``(B, C)`` of each batch that the network is given meanwhile."""
        seen: list[NDArray[np.float32]] = []
        classifier: Any = self.network.classifier
        handle = classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0].float().cpu().numpy()))
        try:
            yield seen
        finally:
            handle.remove()

    def check_coordinates(self, coordinates: int) -> None:
        """Refuse points of another number of ``coordinates`` than the network was trained on.

        Raises:
            UserError: naming it.
        """
        if coordinates != self.stream.coordinates:
            raise UserError(f"{self.path} was not trained on clips in {coordinates}D; give clips like those it was.")
