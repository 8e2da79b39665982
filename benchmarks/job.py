"""Time of a whole training job: python benchmarks/job.py [overrides …]

Time of ``train.py`` to its help and to the first training step, and of the MA-52 recipe (11,250 training and 5,586
validation clips, 120 epochs), projected from the second of two epochs on a synthetic file of that shape.
Overrides go to train.py: ``trainer=gpu compile=true data.on_device=true``.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mmn.data.synthetic.synthesize import synthesize

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
CLIPS, EPOCHS = 11_250, 120
SMALL = ["model.width=16", "model.depth=1", "data.batch_size=4", "data.num_frames=8", "trainer.max_epochs=1",
         "scheduler.warmup_epochs=0", "trainer.log_every_n_steps=1"]  # fmt: skip


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    """Start train.py in a folder."""
    command = [sys.executable, str(TRAIN), *overrides]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until_help(folder: Path) -> float:
    """Seconds that ``train.py --help`` takes."""
    begin = time.perf_counter()
    start(folder, "--help").communicate()
    return time.perf_counter() - begin


def until_first_step(folder: Path, overrides: list[str]) -> float:
    """Seconds until the first step of a tiny network is in ``metrics.csv``."""
    run = Path(tempfile.mkdtemp(dir=folder))
    begin = time.perf_counter()
    process = start(folder, *overrides, *SMALL, f"hydra.run.dir={run}")
    while process.poll() is None and not (run / "metrics.csv").exists():
        time.sleep(0.01)
    taken = time.perf_counter() - begin
    process.kill()
    process.communicate()
    return taken


def epoch_seconds(folder: Path, overrides: list[str]) -> float:
    """Seconds that the second epoch takes, including validation."""
    output, _ = start(
        folder, *overrides, "trainer.max_epochs=2", "scheduler.warmup_epochs=0", "test=false"
    ).communicate()
    found = re.search(r"epoch 2/2 .*?· ([\d.]+) s ·", output)
    if found is None:
        sys.exit(f"training failed:\n{output[-2000:]}")
    return float(found[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="for train.py")
    parser.add_argument("--clips", type=int, default=1040, help="training clips to measure (on a GPU: 11250)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions of the start-up measurements")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), -(-options.clips // 52)
        synthesize(folder / "ma52.h5", "ma52", clips_per_class=count, val_per_class=count // 2, test_per_class=1,
                   frames=(20, 200))  # fmt: skip
        overrides = ["experiment=ma52_joint", "data.path=ma52.h5", "logger=csv", *options.overrides]
        figures = {
            "help_s": statistics.median(until_help(folder) for _ in range(options.repeat)),
            "first_step_s": statistics.median(until_first_step(folder, overrides) for _ in range(options.repeat)),
            "epoch_s": epoch_seconds(folder, overrides),
        }
    figures["recipe_minutes"] = figures["epoch_s"] * CLIPS / (count * 52) * EPOCHS / 60
    print(f"train.py --help {figures['help_s']:.2f} s; until the first step {figures['first_step_s']:.2f} s\n"
          f"an epoch of {count * 52:,} training, {count // 2 * 52:,} validation clips: {figures['epoch_s']:.1f} s; "
          f"the MA-52 recipe would take {figures['recipe_minutes']:,.1f} minutes")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
