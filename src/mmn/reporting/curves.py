"""``curves.png``: losses, Top-1 and learning rate of a run, from its ``metrics.csv``."""

import csv
from pathlib import Path

from matplotlib.figure import Figure

from mmn.files import replacing
from mmn.outside import from_outside


def read_metrics(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Each column of ``metrics.csv`` as its steps and values.

    Raises:
        UserError: the file is damaged.
    """
    columns: dict[str, tuple[list[int], list[float]]] = {}
    with from_outside(path, "table of metrics"), path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    steps, values = columns.setdefault(name, ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
    return columns


def named_curves(
    columns: dict[str, tuple[list[int], list[float]]], val_split: str
) -> dict[str, tuple[list[int], list[float]]]:
    """The columns under the names they are drawn with.

    Args:
        columns: of ``metrics.csv``; its ``val/…`` is the validation split.
        val_split: the validation split; ``test`` is marked as used for selection.
    """
    called = {"test": "test (used for selection)"}.get(val_split, val_split)
    return {
        f"{called}/{name.removeprefix('val/')}" if name.startswith("val/") else name: column
        for name, column in columns.items()
    }


def curve_names(columns: dict[str, tuple[list[int], list[float]]], kind: str) -> tuple[str, ...]:
    """The curves on one pair of axes: the ``"loss"`` or the ``"top1"`` of training and validation."""
    train = "train/cross_entropy" if kind == "loss" and "train/cross_entropy" in columns else f"train/{kind}"
    return (train, *(name for name in columns if name.endswith(f"/{kind}") and not name.startswith("train/")))


def draw_curves(metrics: Path, path: Path, val_split: str = "val") -> None:
    """Draw what was logged over the steps; ``val_split`` is the validation split."""
    columns = named_curves(read_metrics(metrics), val_split)
    panels = (
        ("cross entropy", curve_names(columns, "loss")),
        ("Top-1, %", curve_names(columns, "top1")),
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
