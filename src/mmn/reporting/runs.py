"""The finished runs below a folder, and the settings in which they differ."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmn.errors import UserError
from mmn.evaluation.scores import Scores, read_scores
from mmn.outside import from_outside, read_json, read_yaml

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        folder: its folder.
        modality: of its network.
        seed: its seed.
        overrides: command-line overrides: ``"optimizer.lr"`` → ``"0.001"``; ``"~logger"`` → ``"left out"``.
        metrics: split → metric → value.
        about: how the epoch was selected, and the last epoch's metrics; see ``metrics.json``.
        file: path of the data file.
        fold: ``data.folds`` and ``data.fold``; None without folds.
    """

    folder: Path
    modality: str
    seed: int
    overrides: dict[str, str]
    metrics: dict[str, dict[str, float]]
    about: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    fold: tuple[Any, Any] = (None, None)

    @property
    def data(self) -> str:
        """The file it was trained on, and its fold."""
        return self.file if self.fold[1] is None else f"{self.file}, fold {self.fold[1]}"

    def last_epoch(self, split: str) -> dict[str, float]:
        """The last epoch's metrics of a split; empty if the run does not record them."""
        return (self.about.get("last_epoch") or {}).get(split) or {}

    def scores(self, split: str) -> Scores | None:
        """Scores of a split; None if the run has none that can be read."""
        path = self.folder / f"scores_{split}.h5"
        try:
            return read_scores(path) if path.exists() else None
        except UserError as error:
            log.warning("%s", error)
            return None


def find_runs(folder: Path) -> list[Run]:
    """Run folders with ``config.yaml`` and ``metrics.json``, sorted by name, job 2 before job 10.

    Raises:
        UserError: if there is none.
    """
    runs = []
    for path in sorted(folder.rglob("metrics.json"), key=_natural):
        config, overrides = path.with_name("config.yaml"), path.parent / ".hydra" / "overrides.yaml"
        if config.exists() and overrides.exists():
            try:
                runs.append(_read_run(path, config, overrides))
            except UserError as error:
                log.warning("%s is left out: %s", path.parent, error)
    if not runs:
        raise UserError(f"there are no finished runs in {folder}; give the folder of a sweep.")
    return runs


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]


def _read_run(path: Path, config: Path, overrides: Path) -> Run:
    """A run from its metrics, config and command line."""
    content, lines, result = read_yaml(config), read_yaml(overrides) or [], read_json(path)
    with from_outside(config, "run's config"):
        modality, seed = str(content["modality"]["name"]), int(content["seed"])
        keys = content.get("data") or {}
        file, fold = str(keys.get("path", "")), (keys.get("folds"), keys.get("fold"))
    with from_outside(overrides, "run's command"):
        settings = _overrides(lines)
    with from_outside(path, "metrics file of a run"):
        about = dict(result.pop("about", {}))
        if not all(math.isfinite(float(value)) for found in result.values() for value in found.values()):
            raise ValueError("it holds something other than finite numbers")
    return Run(path.parent, modality, seed, settings, result, about, file, fold)


def _overrides(lines: Sequence[str]) -> dict[str, str]:
    """Override lines as keys and values; ``~key`` has no value."""
    pairs = (line.partition("=") for line in lines)
    return {key.lstrip("+"): value if has_value else "left out" for key, has_value, value in pairs}


def names_of(runs: Sequence[Run]) -> list[str]:
    """A name for each run from the overrides that differ, except the seed: ``bone``, or ``bone, lr=0.002``."""
    own = ("seed", "modality", "experiment", "data.path", "data.fold")
    differing = [key for key in _keys(runs) if key not in own and _differs(runs, key)]
    several = len({run.modality for run in runs}) > 1

    def name(run: Run) -> str:
        settings = [f"{_short_key(key)}={_short(run.overrides.get(key, 'default'))}" for key in differing]
        return ", ".join([run.modality, *settings] if several or not settings else settings)

    names = [name(run) for run in runs]
    experiments = {n: {run.overrides.get("experiment", "default") for run, m in zip(runs, names, strict=True) if m == n}
                   for n in names}  # fmt: skip
    return [
        f"{n}, experiment={run.overrides.get('experiment', 'default')}" if len(experiments[n]) > 1 else n
        for run, n in zip(runs, names, strict=True)
    ]


def _keys(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(key for run in runs for key in run.overrides))


def _differs(runs: Sequence[Run], key: str) -> bool:
    return len({run.overrides.get(key) for run in runs}) > 1


def _short_key(key: str) -> str:
    return key if key.startswith("~") else key.split(".")[-1]


def _short(value: str) -> str:
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value
