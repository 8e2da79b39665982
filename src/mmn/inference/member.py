"""One network of a ``Predictor``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.layout import Layout
from mmn.data.pipeline.prepare import prepare_as
from mmn.errors import UserError
from mmn.inference.checkpoint import Checkpoint, Networks, load_checkpoint
from mmn.inference.infer import for_inference, infer
from mmn.inference.official_stream import official_stream
from mmn.inference.stream import Stream
from mmn.model.ensemble import classifiers


class Member:
    """One network of a ``Predictor``, with the preprocessing of its clips."""

    def __init__(
        self, path: str | Path, device: str, layout: str | Path | None, modality: str | None, network: Networks = None
    ) -> None:
        self.path, self.device = path, device
        self.checkpoint: Checkpoint = load_checkpoint(path, network)
        self.stream: Stream = self.checkpoint.stream or official_stream(path, self.checkpoint, layout, modality)
        self.network = for_inference(self.checkpoint.network).to(device)

    def logits(self, clips: Sequence[NDArray[np.floating]], layout: Layout, precision: str) -> NDArray[np.float64]:
        """Logits ``(N, K)`` of clips ``(T_i, V, C)`` in a layout."""
        joints, clips = self.stream.joints_in(layout), [np.asarray(clip) for clip in clips]
        stray = next((clip.shape for clip in clips if clip.ndim != 3 or clip.shape[1] != layout.num_joints), None)
        if stray is not None:
            raise UserError(
                f"a clip has shape {stray} instead of (frames, {layout.num_joints} joints, coordinates); give the "
                "layout of its skeleton."
            )
        self.check_coordinates(clips[0].shape[2])
        chosen = [clip[:, joints] for clip in clips]
        x, times = prepare_as(self.stream.preprocessing, chosen, self.stream.layout)
        return infer(self.network, x.to(self.device), times.to(self.device), precision).double().cpu().numpy()

    @contextmanager
    def classifier_inputs(self) -> Iterator[list[list[NDArray[np.float32]]]]:
        """Within the block, collect the input ``(B, C)`` of each classifier, of which an ensemble has several."""
        found = list(classifiers(self.network).values())
        inputs: list[list[NDArray[np.float32]]] = [[] for _ in found]
        handles = [
            classifier.register_forward_pre_hook(
                lambda _, given, seen=seen: seen.append(given[0].float().cpu().numpy())
            )
            for classifier, seen in zip(found, inputs, strict=True)
        ]
        try:
            yield inputs
        finally:
            for handle in handles:
                handle.remove()

    def check_coordinates(self, coordinates: int) -> None:
        """Check that joints have as many ``coordinates`` as those that the network was trained on.

        Raises:
            UserError: they do not.
        """
        if coordinates != self.stream.coordinates:
            own = self.stream.coordinates
            raise UserError(f"{self.path} was not trained on clips in {coordinates}D; give clips in {own}D.")
