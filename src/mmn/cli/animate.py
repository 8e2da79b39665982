"""Animate clips as skeletons, optionally with a network's prediction over time.

Joints that were filled in are drawn hollow.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmn.cli.network import add_network, chosen_network
from mmn.errors import UserError

if TYPE_CHECKING:
    from mmn.data.pipeline.augment import Augmentation


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("animate", help="clips → animated skeletons", description=__doc__)
    parser.add_argument("file", type=Path, help="the HDF5 file")
    parser.add_argument("names", nargs="+", metavar="name", help="clips, side by side; split/name where ambiguous")
    parser.add_argument("output", type=Path, help="the .gif, .mp4 or .html file to write")
    parser.add_argument("--checkpoint", type=Path, help="draw the prediction of this network over time below each clip")
    parser.add_argument("--window", type=int, help="frames the network sees around each (default: half the clip, ≤ 64)")
    parser.add_argument(
        "--augmentation", help="show a clip as training augments it: official, strong, … or a YAML file"
    )
    parser.add_argument("--epochs", type=int, help="number of epochs of augmentation to show (default: 3)")
    parser.add_argument("--fps", type=int, default=15, help="frames per second (default: 15)")
    add_network(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.hdf5 import read_data
    from mmn.inference.checkpoint import check_fit, load_checkpoint
    from mmn.inference.sliding import default_window, sliding_probabilities
    from mmn.inference.temperature import warn_if_unknown
    from mmn.reporting.animation import animate, find_clip
    from mmn.reporting.augmented import augmented
    from mmn.reporting.prediction_strip import Prediction

    for name, number in (("fps", options.fps), ("epochs", options.epochs), ("window", options.window)):
        if number is not None and number < 1:
            raise UserError(f"--{name} is {number}; use 1 or more.")
    if options.window is not None and not options.checkpoint:
        raise UserError("--window is for --checkpoint; give both.")
    if options.epochs is not None and not options.augmentation:
        raise UserError("--epochs is for --augmentation; give both.")
    checkpoint = load_checkpoint(options.checkpoint, chosen_network(options)) if options.checkpoint else None
    data = read_data(options.file)
    if checkpoint and checkpoint.stream:
        data = checkpoint.stream.view_of(options.file)[1].apply(data, str(options.file))
    clips = [find_clip(data, name) for name in options.names]
    if options.augmentation:
        if checkpoint:
            raise UserError("--augmentation shows augmented clips, --checkpoint the original ones; give only one.")
        name, augmentation = Path(options.augmentation).stem, _augmentation(options.augmentation)
        shown = [augmented(clip, data.layout, augmentation, name, options.epochs or 3) for clip in clips]
        clips = [clip for row in shown for clip in row]
    if checkpoint:
        check_fit(options.checkpoint, checkpoint, data, options.file)
        warn_if_unknown({options.checkpoint: checkpoint.temperature})
        for place, clip in enumerate(clips):
            window = options.window or default_window(len(clip.keypoints))
            chances = sliding_probabilities(checkpoint, clip.keypoints, data.layout, window)
            clips[place] = clip._replace(prediction=Prediction(list(data.classes.names), chances, window))
    animate(clips, data.layout, options.output, options.fps)
    print(options.output)


def _augmentation(name: str) -> "Augmentation":
    """The augmentation from a YAML file, or named in ``configs/augmentation``.

    Raises:
        UserError: there is no such file.
    """
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate

    path = Path(name) if name.endswith(".yaml") else Path(__file__).parents[3] / f"configs/augmentation/{name}.yaml"
    if not path.is_file():
        raise UserError(f"unknown augmentation {name}; give the name of one in configs/augmentation or a YAML file.")
    with initialize_config_dir(str(path.parent.resolve()), version_base="1.3"):
        return instantiate(compose(path.stem))
