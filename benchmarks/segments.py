"""mAP of segments in long recordings by window, stride and threshold: python benchmarks/segments.py [overrides …]

Synthetic recordings with known times are cut into clips by ``mmn convert``, a network is trained on these, and
``mmn predict --segments`` looks through others. Overrides go to train.py: ``trainer.max_epochs=30``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import load_classes
from mmn.data.format.clips import Clips
from mmn.data.format.layout import load_layout
from mmn.data.synthetic.synthesize import draw_action, movement, rest_pose, swaying_body
from mmn.engine.predict import Recordings, Sliding, segments_of
from mmn.evaluation.segment_scores import score_segments
from mmn.evaluation.segments import Segment
from mmn.inference.predict import Predictor

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
LAYOUT, FPS, REST = "jhmdb", 30.0, "rest"
SMALL = ["experiment=own", "recipe=fast", "modality=bone", "model.width=16", "model.depth=1", "data.num_frames=32",
         "logger=csv", "trainer.max_epochs=20", "scheduler.warmup_epochs=2"]  # fmt: skip
WINDOWS, STRIDES, THRESHOLDS = (16, 32, 64, 128), (2, 4, 8, 16, 32), (0.1, 0.2, 0.3, 0.5, 0.7)


def recordings(split: str, count: int, seed: int) -> tuple[dict[str, NDArray[np.float32]], list[Segment]]:
    """Recordings in which every class occurs once, for 24 to 48 frames, with 20 to 80 frames of rest in between."""
    skeleton, classes = load_layout(LAYOUT), load_classes(LAYOUT)
    assert classes
    rng = np.random.default_rng(1)  # the same actions in all splits
    pose = rest_pose(skeleton, rng)
    actions = [draw_action(skeleton, rng) for _ in classes.names]
    rng, clips, truth = np.random.default_rng(seed), {}, []
    for number in range(count):
        name, order = f"{split}{number}", rng.permutation(len(actions))
        durations, gaps = rng.integers(24, 49, len(order)), rng.integers(20, 81, len(order) + 1)
        length = int(durations.sum() + gaps.sum())
        body = swaying_body(pose, length, 0.25, rng, cycles=length / 80)
        start = 0
        for label, duration, gap in zip(order, durations, gaps, strict=False):
            start += int(gap)
            body += 0.45 * movement(actions[label], length, start, int(duration), rng)
            truth.append(Segment(name, start / FPS, (start + int(duration)) / FPS, classes.names[label], 1.0))
            start += int(duration)
        clips[name] = (100 * (body + rng.normal(0, 0.01, body.shape)) + 500).astype(np.float32)
    return clips, truth


def train(folder: Path, overrides: list[str]) -> Predictor:
    """Train on clips cut from separate recordings."""
    rows = ["name,start,end,label,split"]
    arrays: dict[str, NDArray[np.float32]] = {}
    for seed, (split, count) in enumerate({"train": 16, "val": 4}.items(), start=2):
        clips, truth = recordings(split, count, seed)
        arrays |= clips
        rows += [f"{s.name},{s.start},{s.end},{s.class_name},{split}" for s in truth]
    np.savez(folder / "long.npz", **arrays)
    (folder / "segments.csv").write_text("\n".join(rows))
    classes = load_classes(LAYOUT)
    assert classes
    (folder / "classes.txt").write_text("\n".join([*classes.names, REST]))
    convert = ["convert", folder / "long.npz", folder / "cut.h5", "--layout", LAYOUT, "--rest", REST, "--fps", FPS]
    labels = ["--labels", folder / "segments.csv", "--classes", folder / "classes.txt"]
    subprocess.run([sys.executable, "-m", "mmn.cli.main", *map(str, [*convert, *labels])], check=True)
    own = f"data.path={folder / 'cut.h5'}", f"hydra.run.dir={folder / 'run'}"
    subprocess.run([sys.executable, str(TRAIN), *SMALL, *own, *overrides], check=True)
    return Predictor(folder / "run" / "checkpoints" / "best.ckpt")


def score(predictor: Predictor, found: Recordings, truth: Sequence[Segment], sliding: Sliding) -> dict[str, float]:
    """mAP and F1 of the predicted segments."""
    return score_segments(
        [segment for _, some in segments_of(predictor, found, sliding, FPS) for segment in some], truth
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        predictor = train(Path(folder), options.overrides)
    clips, truth = recordings("test", 4, seed=9)
    packed = Clips.from_arrays(list(clips.values()), names=list(clips))
    found = Recordings(packed, load_layout(LAYOUT), [np.arange(length) for length in packed.lengths])
    best = Sliding(window=32, stride=4, threshold=0.3, background=REST)
    ways = [replace(best, window=window) for window in WINDOWS]
    ways += [replace(best, stride=stride) for stride in STRIDES if stride != best.stride]
    ways += [replace(best, threshold=threshold) for threshold in THRESHOLDS if threshold != best.threshold]
    results = []
    for way in ways:
        result = score(predictor, found, truth, way)
        results.append({"window": way.window, "stride": way.stride, "threshold": way.threshold, **result})
        figures = ", ".join(f"{name} {100 * result[name]:.1f} %" for name in ("map", "map@0.5", "f1@0.5"))
        print(f"window {way.window}, stride {way.stride}, threshold {way.threshold:g}: {figures}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
