"""Fine-tuning against training from scratch: python benchmarks/few_clips.py F.h5 PRETRAINED.ckpt CURVE.png [overrides]

Trains on 2, 5, 10 and all clips of each class, with three seeds, from a network pre-trained by train.py and from
scratch, both with ``experiment=finetune`` and the pre-trained network's modality, preprocessing and sizes, and draws
Top-1 on the test split after the last epoch. Finished runs are kept in ``--folder``, so that the same command
continues. Overrides are of both: ``data.name=jhmdb trainer=gpu``.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mmn.engine.start import settings_of
from mmn.files import write_json
from mmn.inference.checkpoint import load_checkpoint

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
EPOCHS = {2: 100, 5: 100, 10: 60, 0: 30}
"""Clips per class (0: all) → epochs."""


def starts(checkpoint: Path) -> dict[str, list[str]]:
    """The overrides of fine-tuning and of training from scratch, which differ only in the start."""
    settings = [
        f"++{group}.{key}={json.dumps(value)}"
        for group, values in settings_of(load_checkpoint(checkpoint)).items()
        for key, value in values.items()
    ]
    return {
        "finetune": ["experiment=finetune", f"init_from={checkpoint}"],
        "scratch": ["experiment=finetune", "transfer=false", "optimizer.layer_decay=1", *settings],
    }


def check_folder(options: argparse.Namespace) -> None:
    """Record what the folder's runs are of, or refuse a folder of other runs."""
    request = {"overrides": options.overrides}
    for name in ("data", "checkpoint"):
        with getattr(options, name).open("rb") as file:
            request[name] = hashlib.file_digest(file, "sha256").hexdigest()
    path = options.folder / "request.json"
    begun = path.exists() and any(options.folder.glob("*/run.json"))
    if begun and (other := json.loads(path.read_text())) != request:
        different = ", ".join(name for name in request if request[name] != other.get(name))
        raise SystemExit(f"{options.folder} has runs with other {different}; give another --folder.")
    options.folder.mkdir(parents=True, exist_ok=True)
    write_json(path, request)


def top1(folder: Path, overrides: list[str]) -> float:
    """Top-1 in percent on the test split after the last epoch of a run, which is trained if it is not finished."""
    if not (folder / "metrics.json").exists():
        command = [sys.executable, str(TRAIN), *overrides, "logger=csv", f"hydra.run.dir={folder}", "resume=true"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "metrics.json").read_text())["about"]["last_epoch"]["test"]["top1"]


def curve(options: argparse.Namespace) -> dict[str, dict[int, list[float]]]:
    """Start → clips per class → Top-1 of each seed."""
    ways = starts(options.checkpoint)
    found: dict[str, dict[int, list[float]]] = {start: {count: [] for count in EPOCHS} for start in ways}
    for seed in range(1, options.seeds + 1):
        for count, epochs in EPOCHS.items():
            for start, own in ways.items():
                few = [f"data.clips_per_class={count}"] if count else []
                few += [f"data.path={options.data}", f"trainer.max_epochs={epochs}", f"seed={seed}"]
                folder = options.folder / f"{start}-{count or 'all'}-{seed}"
                overrides = [*own, *options.overrides, *few, "+trainer.check_val_every_n_epoch=10"]
                found[start][count].append(top1(folder, overrides))
    return found


def in_words(values: Sequence[float]) -> str:
    """The mean, and the sample deviation of several values."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


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
    parser.add_argument("checkpoint", type=Path, help="the pre-trained network, of train.py")
    parser.add_argument("picture", type=Path)
    parser.add_argument("overrides", nargs="*", help="for train.py")
    parser.add_argument("--folder", type=Path, default=Path("logs/few_clips"), help="of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    check_folder(options)
    found = curve(options)
    print("| clips per class | fine-tuned | from scratch | difference |\n|---|---|---|---|")
    for count in EPOCHS:
        tuned, scratch = found["finetune"][count], found["scratch"][count]
        lead = statistics.mean(tuned) - statistics.mean(scratch)
        print(f"| {count or 'all'} | {in_words(tuned)} | {in_words(scratch)} | {lead:+.2f} |")
    draw(found, options.picture)


if __name__ == "__main__":
    main()
