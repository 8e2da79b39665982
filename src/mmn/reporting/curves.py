"""``curves.png``: losses, Top-1 and learning rate of a run, from its ``metrics.csv``."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from mmn.files import replacing


def read_metrics(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Each column of ``metrics.csv`` as its steps and values."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    steps, values = columns.setdefault(name, ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
    return columns


def draw_curves(metrics: Path, path: Path) -> None:
    """Draw what was logged over the steps."""
    columns = read_metrics(metrics)
    panels = (
        ("loss", ("train/loss", "val/loss")),
        ("Top-1, %", ("train/top1", "val/top1")),
        ("learning rate", ("lr",)),
    )
    figure = Figure(figsize=(12, 3.5), layout="constrained")
    axes = figure.subplots(1, len(panels))
    for ax, (title, names) in zip(axes, panels, strict=True):
        for name in names:
            if name in columns:
                ax.plot(*columns[name], label=name, marker="." if len(columns[name][0]) < 10 else None)
        ax.set(title=title, xlabel="step")
        ax.grid(alpha=0.3)
        if len(names) > 1:
            ax.legend(frameon=False)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=120)
