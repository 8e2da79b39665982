"""Generate seeded synthetic micro-actions, for trying things out."""

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("synthesize", help="synthetic micro-actions → one HDF5 file", description=__doc__)
    parser.add_argument("output", type=Path, help="the HDF5 file to write")
    parser.add_argument("--layout", default="ma52", help="ma52, imigue, jhmdb, or another layout's name or YAML file")
    parser.add_argument("--classes", help="layout that defines the classes (default: --layout)", metavar="LAYOUT")
    parser.add_argument("--clips-per-class", type=int, default=24, help="training clips per class")
    parser.add_argument("--val-per-class", type=int, default=6, help="validation clips per class")
    parser.add_argument("--test-per-class", type=int, default=6, help="test clips per class")
    parser.add_argument("--frames", type=int, nargs=2, default=(40, 120), metavar=("MIN", "MAX"), help="clip lengths")
    parser.add_argument("--amplitude", type=float, default=0.45, help="amplitude of an action, in torso lengths")
    parser.add_argument("--sway", type=float, default=0.25, help="amplitude of the body's sway, in torso lengths")
    parser.add_argument("--noise", type=float, default=0.01, help="jitter of every joint, in torso lengths")
    parser.add_argument("--occlusion", type=float, default=0.0, help="share of joints temporarily lost and filled in")
    parser.add_argument(
        "--imbalance", type=float, default=1.0, help="clips of the most frequent class over those of the rarest"
    )
    parser.add_argument("--seed", type=int, default=1, help="equal seeds give equal data")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from mmn.data.format.summary import in_a_line
    from mmn.data.synthetic.synthesize import synthesize

    data = synthesize(
        options.output,
        options.layout,
        classes=options.classes,
        clips_per_class=options.clips_per_class,
        val_per_class=options.val_per_class,
        test_per_class=options.test_per_class,
        frames=tuple(options.frames),
        amplitude=options.amplitude,
        sway=options.sway,
        noise=options.noise,
        occlusion=options.occlusion,
        imbalance=options.imbalance,
        seed=options.seed,
    )
    print(f"{options.output}: {in_a_line(data)}")
