"""The ensembles of a sweep's settings, one for each seed."""

from mmn.errors import UserError
from mmn.evaluation.fit_weights import find_weights
from mmn.evaluation.scores import Scores, combine, compute_metrics
from mmn.reporting.runs import Run


def ensembles(
    by_name: dict[str, list[Run]], metric: str, split: str
) -> tuple[list[tuple[int, float]], dict[int, dict[str, float]], str, list[str]]:
    """The ensemble of each seed that has all settings, with weights fitted on the val split if there are val scores.

    Args:
        by_name: the runs of each setting.
        metric: the metric of the ensembles.
        split: its split.

    Returns:
        Seed and metric of each ensemble; seed → setting → weight; where the weights are from, in words; and notes, one
        sentence for each seed that is left out.
    """
    values: list[tuple[int, float]] = []
    weights: dict[int, dict[str, float]] = {}
    notes: list[str] = []
    fitted: list[int] = []
    seeds = sorted({run.seed for runs in by_name.values() for run in runs})
    for seed in seeds if len(by_name) > 1 else ():
        runs = {name: [run for run in runs if run.seed == seed] for name, runs in by_name.items()}
        streams = {name: _scores(own, split) for name, own in runs.items()}
        missing = [name for name, scores in streams.items() if scores is None]
        if missing:
            notes.append(f"seed {seed} is left out of the ensemble: {', '.join(missing)} is missing.")
            continue
        val = [_scores(own, "val") for own in runs.values()] if split != "val" else []
        try:
            found = [1.0 / len(streams)] * len(streams)
            if val and all(scores is not None for scores in val):
                found = find_weights([s for s in val if s is not None]).weights
                fitted.append(seed)
            total = combine([scores for scores in streams.values() if scores is not None], found)
        except UserError as error:
            notes.append(f"seed {seed} has no ensemble: {error}")
            continue
        weights[seed] = dict(zip(streams, found, strict=True))
        values.append((seed, compute_metrics(total)[metric]))
    return values, weights, weights_from(fitted, list(weights), split), notes


def weights_from(fitted: list[int], seeds: list[int], split: str) -> str:
    """Where the weights of the seeds' ensembles come from, in words."""
    if not fitted:
        return "equal, as " + (
            "these are the val scores" if split == "val" else "there are no val scores to fit them on"
        )
    equal = [str(seed) for seed in seeds if seed not in fitted]
    return "fitted on the val split" + (f"; equal for seed {', '.join(equal)}, without val scores" if equal else "")


def _scores(runs: list[Run], split: str) -> Scores | None:
    """Scores of the most recent of these runs, if any."""
    return runs[-1].scores(split) if runs else None
