"""Whole-body pose estimation in videos; the poses are kept in files, so that each video is processed once."""

import json
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmn.data.sources.recording import frame_rate
from mmn.errors import UserError
from mmn.files import replacing
from mmn.outside import read_json, reason

SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm")

Picture = NDArray[np.uint8]
"""A frame ``(H, W, 3)`` in BGR."""

Estimator = Callable[[Picture], tuple[NDArray[np.floating], NDArray[np.floating]]]
"""A frame → points ``(N, 133, 2)`` in pixels and their scores ``(N, 133)``."""

Watch = Callable[[Iterable[Picture], int], Iterable[Picture]]
"""Wraps the iteration over frames, given their approximate number, for example to show progress."""


def is_video(path: Path) -> bool:
    """Whether a file has the suffix of a video."""
    return path.suffix.lower() in SUFFIXES


class Video:
    """A video file.

    Attributes:
        fps: frames per second.
        size: width and height in pixels.
        count: approximate number of frames.

    Raises:
        UserError: it cannot be opened, or OpenCV is not installed.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f"there is no file {path}; give a video.")
        self.path, cv2 = path, _installed("cv2")
        self._capture: Any = cv2.VideoCapture(str(path))
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        width, height = (self._capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.size = int(width), int(height)
        if not self._capture.isOpened() or frame_rate(self.fps) is None:
            raise UserError(f"{path} is not a video that OpenCV can read; convert it to MP4.")

    def __iter__(self) -> Iterator[Picture]:
        """The frames; can be iterated over only once."""
        while True:
            there, picture = self._capture.read()
            if not there:
                return
            yield picture


def poses_of(path: Path, folder: Path | None = None, device: str = "cpu", watch: Watch | None = None) -> Path:
    """The file of poses of a video, in MMPose's format; it is created unless it exists and is of this video.

    It has the video's name, with a number if that of another video has it already.

    Args:
        path: the video.
        folder: where poses are kept; None for ``poses`` beside the video.
        device: ``cpu`` or ``cuda``, for the estimator.
        watch: see ``Watch``.

    Raises:
        UserError: the file is not a video, the estimator is not installed, or its weights are not available.
    """
    video = Video(path)
    state = path.stat()
    identity = {"name": path.name, "bytes": state.st_size, "modified": state.st_mtime_ns}
    place = str(path.resolve())
    for kept in _numbered((folder or path.parent / "poses") / f"{path.stem}.json"):
        content = read_json(kept) if kept.is_file() else {}
        if isinstance(content, dict) and content.get("video") == identity:
            return kept
        if not content or (isinstance(content, dict) and content.get("place") == place):  # new, or changed since
            break
    estimate = whole_body(device)
    pictures = video if watch is None else watch(video, video.count)
    frames = [_frame(number, *estimate(picture)) for number, picture in enumerate(pictures)]
    if not frames:
        raise UserError(f"{path} has no frames that OpenCV can read; convert it to MP4.")
    with replacing(kept) as part:
        content = {"video": identity, "place": place, "fps": video.fps, "instance_info": frames}
        part.write_text(json.dumps(content), encoding="utf-8")
    return kept


def _numbered(path: Path) -> Iterator[Path]:
    """The path, then with ``-2``, ``-3`` … at the end of its stem."""
    yield path
    for number in count(2):
        yield path.with_stem(f"{path.stem}-{number}")


def whole_body(device: str) -> Estimator:
    """rtmlib's pose estimator with 133 points.

    Raises:
        UserError: it is not installed, or its weights are neither in the cache nor can be downloaded.
    """
    model = _installed("rtmlib").Wholebody
    try:
        estimator: Estimator = model(mode="balanced", backend="onnxruntime", device=device)
    except OSError as error:
        files = " and ".join(model.MODE["balanced"][part] for part in ("det", "pose"))
        cause = getattr(error, "reason", error)  # of urllib's error
        raise UserError(
            f"the pose estimator's weights cannot be downloaded ({reason(cause)}); on a machine with a network, "
            f"download {files}, and copy them to ~/.cache/rtmlib/hub/checkpoints here."
        ) from None
    return estimator


def _installed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise UserError(f"videos need {name}, which is not installed; run pip install -e '.[video]'.") from None


def _frame(number: int, points: NDArray[np.floating], scores: NDArray[np.floating]) -> dict[str, Any]:
    people = zip(np.round(points, 2).tolist(), np.round(scores, 4).tolist(), strict=True)
    return {"frame_id": number, "instances": [{"keypoints": p, "keypoint_scores": s} for p, s in people]}
