"""Videos as sources of ``mmn predict``."""

import argparse
from collections.abc import Iterable
from functools import partial
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmn.cli.convert import read_options
from mmn.cli.network import chosen_device
from mmn.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress

    from mmn.engine.predict import Sliding
    from mmn.inference.predict import Predictor


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for videos."""
    group = parser.add_argument_group("videos")
    group.add_argument(
        "--poses", type=Path, help="folder in which poses are kept (default: poses beside the video)", metavar="DIR"
    )
    group.add_argument(
        "--overlay", type=Path, help="write the video with skeleton and predicted actions", metavar="F.mp4"
    )


def check_overlay(options: argparse.Namespace) -> None:
    """Check that an overlay can be written.

    Raises:
        UserError: the output is not an MP4 file, or the source is not a single video.
    """
    from mmn.data.sources.video import is_video

    if options.overlay is None:
        return
    if options.overlay.suffix.lower() != ".mp4":
        raise UserError(f"{options.overlay} must end in .mp4; rename it.")
    if len(options.sources) != 1 or not is_video(options.sources[0]):
        raise UserError("--overlay is for one video; give one source, a video.")
    if realpath(options.overlay) == realpath(options.sources[0]):
        raise UserError(f"{options.overlay} is the source; write to another file.")


def pose_source(options: argparse.Namespace, source: Path, progress: "Progress") -> tuple[Path, dict[str, Any]]:
    """The file to read poses from and the options to read it with; poses of a video are estimated if necessary."""
    from mmn.data.sources.video import Video, is_video, poses_of

    if not is_video(source):
        return source, read_options(options)
    watch = partial(_watched, progress, f"{source.name}: poses")
    poses = poses_of(source, options.poses, chosen_device(options), watch)
    return poses, {"fps": Video(source).fps, **read_options(options)}


def _watched(progress: "Progress", words: str, frames: Iterable[Any], count: int) -> Iterable[Any]:
    return progress.track(frames, total=count or None, description=words)


def write_video(options: argparse.Namespace, predictor: "Predictor", sliding: "Sliding", progress: "Progress") -> None:
    """Write the source video with the skeleton and the predicted actions drawn on it."""
    from mmn.data.sources.video import Video
    from mmn.engine.predict import probabilities_of, read_recordings
    from mmn.reporting.overlay import write_overlay

    poses, how = pose_source(options, options.sources[0], progress)
    found = read_recordings(poses, predictor, options.layout, long=True, **how)
    if len(found.clips) != 1:
        raise UserError("--overlay shows one person; leave --person all out.")
    [chances] = probabilities_of(predictor, found, sliding)
    clip, frames, names = found.clips.clip(0), found.frames[0], predictor.classes.names
    video = Video(options.sources[0])
    write_overlay(video, options.overlay, clip, frames, found.layout, names, chances, sliding.threshold)
    print(options.overlay)
