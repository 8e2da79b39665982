"""The finished runs below a folder, and what tells their settings apart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mmn.errors import UserError
from mmn.evaluation.scores import Scores, read_scores


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        folder: its.
        modality: of its network.
        seed: of it.
        overrides: what the command line said: ``"optimizer.lr"`` → ``"0.001"``; ``"~logger"`` → ``"left out"``.
        figures: split → figure → value.
        about: how the epoch was chosen, and what the last one has; see ``metrics.json``.
        data: the file it was trained on, and the fold of it.
    """

    folder: Path
    modality: str
    seed: int
    overrides: dict[str, str]
    figures: dict[str, dict[str, float]]
    about: dict[str, Any] = field(default_factory=dict)
    data: str = ""

    def scores(self, split: str) -> Scores | None:
        """Scores of a split, None where the run left none."""
        path = self.folder / f"scores_{split}.h5"
        return read_scores(path) if path.exists() else None


def find_runs(folder: Path) -> list[Run]:
    """Run folders with ``config.yaml`` and ``metrics.json``, in order of their names.

    Raises:
        UserError: none there.
    """
    runs = []
    for path in sorted(folder.rglob("metrics.json")):
        config, overrides = path.with_name("config.yaml"), path.parent / ".hydra" / "overrides.yaml"
        if config.exists() and overrides.exists():
            content = yaml.safe_load(config.read_text(encoding="utf-8"))
            said = yaml.safe_load(overrides.read_text(encoding="utf-8")) or []
            result = json.loads(path.read_text(encoding="utf-8"))
            about = result.pop("about", {})
            runs.append(
                Run(path.parent, content["modality"]["name"], int(content["seed"]), _overrides(said), result, about,
                    _data(content.get("data") or {}))
            )  # fmt: skip
    if not runs:
        raise UserError(f"there are no finished runs in {folder}; give the folder of a sweep.")
    return runs


def _overrides(said: Sequence[str]) -> dict[str, str]:
    """Override lines as keys and values; ``~key`` has no value."""
    pairs = (line.partition("=") for line in said)
    return {key.lstrip("+"): value if has_value else "left out" for key, has_value, value in pairs}


def _data(content: dict[str, Any]) -> str:
    fold = content.get("fold")
    return f"{content.get('path', '')}{'' if fold is None else f', fold {fold}'}"


def names_of(runs: Sequence[Run]) -> list[str]:
    """A name for each run, of what differs in their command lines but the seed: ``bone``, or ``bone, lr=0.002``."""
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
