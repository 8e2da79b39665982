"""``mmn animate``: clips as moving skeletons, with what a network makes of them as they go on.

Joints that were filled in are hollow.
"""

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("animate", help="clips → moving skeletons", description=__doc__)
    parser.add_argument("file", type=Path, help="the HDF5 file")
    parser.add_argument("names", nargs="+", metavar="name", help="clips, side by side; split/name where ambiguous")
    parser.add_argument("output", type=Path, help="the .gif, .mp4 or .html file to write")
    parser.add_argument("--checkpoint", type=Path, help="draw the prediction of this network over time below each clip")
    parser.add_argument("--window", type=int, help="frames the network sees around each (default: half the clip, ≤ 64)")
    parser.add_argument("--fps", type=int, default=15, help="frames a second (default: 15)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import read_data
    from mmn.inference.checkpoint import check_fit, load_checkpoint
    from mmn.inference.sliding import default_window, sliding_probabilities
    from mmn.reporting.animation import animate, find_clip
    from mmn.reporting.prediction_strip import Prediction

    checkpoint = load_checkpoint(options.checkpoint) if options.checkpoint else None
    data = read_data(options.file)
    if checkpoint and checkpoint.stream:
        data = checkpoint.stream.view_of(options.file)[1].apply(data, str(options.file))
    clips = [find_clip(data, name) for name in options.names]
    if checkpoint:
        check_fit(options.checkpoint, checkpoint, data, options.file)
        for place, clip in enumerate(clips):
            window = options.window or default_window(len(clip.keypoints))
            chances = sliding_probabilities(checkpoint, clip.keypoints, data.layout, window)
            clips[place] = clip._replace(prediction=Prediction(list(data.classes.names), chances, window))
    animate(clips, data.layout, options.output, options.fps)
    print(options.output)
