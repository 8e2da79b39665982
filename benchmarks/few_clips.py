"""Fine-tuning against training from scratch: python benchmarks/few_clips.py F.h5 PRETRAINED.ckpt CURVE.png [overrides]

Trains on 2, 5, 10 and all clips of each class, with three seeds, from a pre-trained network (experiment=finetune) and
from scratch, and draws Top-1 on the test split after the last epoch. Finished runs are kept in ``--folder``, so that
the same command continues. Overrides are those of the network from scratch: ``experiment=jhmdb_plus model.width=48``.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
EPOCHS = {2: 100, 5: 100, 10: 60, 0: 30}
"""Clips per class (0: all) → epochs."""
FROM_SCRATCH = ["recipe=few_clips", "optimizer.layer_decay=1"]


def top1(folder: Path, overrides: list[str]) -> float:
    """Top-1 in percent on the test split after the last epoch of a run, which is trained if it is not finished."""
    if not (folder / "metrics.json").exists():
        command = [sys.executable, str(TRAIN), *overrides, "logger=csv", f"hydra.run.dir={folder}", "resume=true"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "metrics.json").read_text())["about"]["last_epoch"]["test"]["top1"]


def curve(options: argparse.Namespace) -> dict[str, dict[int, list[float]]]:
    """Start → clips per class → Top-1 of each seed."""
    starts = {
        "finetune": ["experiment=finetune", f"init_from={options.checkpoint}"],
        "scratch": [*options.overrides, *FROM_SCRATCH],
    }
    found: dict[str, dict[int, list[float]]] = {start: {count: [] for count in EPOCHS} for start in starts}
    for seed in range(1, options.seeds + 1):
        for count, epochs in EPOCHS.items():
            for start, own in starts.items():
                few = [f"data.clips_per_class={count}"] if count else []
                few += [f"data.path={options.data}", f"trainer.max_epochs={epochs}", f"seed={seed}"]
                folder = options.folder / f"{start}-{count or 'all'}-{seed}"
                found[start][count].append(top1(folder, [*own, *few, "+trainer.check_val_every_n_epoch=10"]))
    return found


def draw(found: dict[str, dict[int, list[float]]], path: Path) -> None:
    """The mean over seeds, and a band from the lowest to the highest."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    names = [str(count) if count else "all" for count in EPOCHS]
    for start, label in (("finetune", "fine-tuned"), ("scratch", "from scratch")):
        values = list(found[start].values())
        (line,) = axes.plot(names, [statistics.mean(one) for one in values], marker="o", label=label)
        axes.fill_between(names, [min(one) for one in values], [max(one) for one in values], color=line.get_color(),
                          alpha=0.2)  # fmt: skip
    axes.set_xlabel("training clips per class")
    axes.set_ylabel("Top-1, %")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train what is not trained yet, print the table as Markdown, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path, help="the pre-trained network")
    parser.add_argument("picture", type=Path)
    parser.add_argument("overrides", nargs="*", help="for train.py, from scratch")
    parser.add_argument("--folder", type=Path, default=Path("logs/few_clips"), help="of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    found = curve(options)
    print("| clips per class | fine-tuned | from scratch | difference |\n|---|---|---|---|")
    for count in EPOCHS:
        tuned, scratch = found["finetune"][count], found["scratch"][count]
        cells = [f"{statistics.mean(one):.2f} ± {statistics.stdev(one):.2f}" for one in (tuned, scratch)]
        lead = statistics.mean(tuned) - statistics.mean(scratch)
        print(f"| {count or 'all'} | {cells[0]} | {cells[1]} | {lead:+.2f} |")
    draw(found, options.picture)


if __name__ == "__main__":
    main()
