"""The runs of a cross-validation: settings, their seeds, and the folds that each has."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmn.data.view.folds import GROUPS
from mmn.errors import UserError
from mmn.evaluation.scores import Scores
from mmn.reporting.runs import Run, find_runs, names_of
from mmn.text import counted


@dataclass(frozen=True)
class FoldRun:
    """A run over one fold with its out-of-fold scores; None without ``scores_val.h5``."""

    run: Run
    scores: Scores | None

    @property
    def fold(self) -> str:
        """The fold: its number, or the name of its group."""
        folds, fold = self.run.fold
        grouped = folds == GROUPS and self.scores is not None and self.scores.groups
        return self.scores.groups[0] if grouped else str(fold)  # type: ignore[union-attr, index]


@dataclass(frozen=True)
class Setting:
    """Runs that differ only in seed and fold.

    Attributes:
        name: what differs from the other settings.
        file: path of the data file.
        folds: ``data.folds``.
        seeds: seed → fold → run.
    """

    name: str
    file: str
    folds: int | str
    seeds: dict[int, dict[str, FoldRun]] = field(default_factory=dict)


def settings_of(folder: Path) -> tuple[list[Setting], list[str]]:
    """The settings below ``folder`` that have all folds of a seed, with only such seeds, and what was left out.

    If no seed of any setting has all folds, the folds are kept that all of them have.

    Raises:
        UserError: no finished runs over folds, or no folds to compare.
    """
    settings, notes = _all_settings(folder)
    missing = {(s.name, seed): _missing(s, seed, settings) for s in settings for seed in sorted(s.seeds)}
    if all(missing.values()):
        common = _common(settings)
        if not common:
            name, seed = next(iter(missing))
            raise UserError(
                f"no setting in {folder} has scores of all its folds: {name}, seed {seed}: {missing[name, seed]}."
            )
        kept = [
            replace(s, seeds={seed: {fold: runs[fold] for fold in common} for seed, runs in s.seeds.items()})
            for s in settings
        ]
        only = f"Only on the clips of fold {', '.join(common)} of {settings[0].folds}: no setting has all folds."
        return kept, [*notes, only]
    kept = [
        replace(s, seeds={seed: runs for seed, runs in sorted(s.seeds.items()) if not missing[s.name, seed]})
        for s in settings
    ]
    left_out = [f"{name}, seed {seed}, is left out: {what}." for (name, seed), what in missing.items() if what]
    return [s for s in kept if s.seeds], [*notes, *left_out]


def _all_settings(folder: Path) -> tuple[list[Setting], list[str]]:
    runs, notes = find_runs(folder), []
    folded = [FoldRun(run, run.scores("val")) for run in runs if run.fold[0] is not None]
    if not folded:
        raise UserError(f"the runs in {folder} are not over folds; give the folder of a sweep over data.fold.")
    if len(folded) < len(runs):
        notes.append(f"{counted(len(runs) - len(folded), 'run')} without folds left out.")
    files = sorted({one.run.file for one in folded})
    names = names_of([replace(one.run, overrides=_without_fold(one.run)) for one in folded])
    settings: dict[str, Setting] = {}
    for one, name in zip(folded, names, strict=True):
        name = name if len(files) == 1 else f"{name}, data={one.run.file}"
        setting = settings.setdefault(name, Setting(name, one.run.file, one.run.fold[0]))
        own = setting.seeds.setdefault(one.run.seed, {})
        if one.fold in own:
            notes.append(f"{name}, seed {one.run.seed}, has two runs of fold {one.fold}: {one.run.folder.name} counts.")
        own[one.fold] = one
    return list(settings.values()), notes


def _common(settings: Sequence[Setting]) -> list[str]:
    """The folds that every setting and seed has scores of; none if the settings have different folds."""
    if len({(s.file, s.folds) for s in settings}) > 1:
        return []
    scored = [{f for f, one in runs.items() if one.scores is not None} for s in settings for runs in s.seeds.values()]
    return sorted(set.intersection(*scored))


def _missing(setting: Setting, seed: int, settings: Sequence[Setting]) -> str:
    """What one seed of a setting lacks, in words; empty if it is complete."""
    runs = setting.seeds[seed]
    if lost := next((one.run.folder for one in runs.values() if one.scores is None), None):
        return f"{lost} has no scores_val.h5"
    if isinstance(setting.folds, int):
        lacking = [str(fold) for fold in range(setting.folds) if str(fold) not in runs]
        return f"fold {', '.join(lacking)} of {setting.folds} is missing" if lacking else ""
    alike = [s for s in settings if (s.file, s.folds) == (setting.file, setting.folds)]
    known = {fold for s in alike for others in s.seeds.values() for fold in others}
    count = max([len(known), *(one.run.about.get("groups") or 0 for one in runs.values())])
    lacking = sorted(known - set(runs))
    named = f" ({', '.join(lacking)})" if lacking else ""
    return f"{count - len(runs)} of {count} groups{named} are missing" if len(runs) < count else ""


def _without_fold(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.overrides.items() if key != "data.fold"}
