"""Coverage of the confidence intervals, and false positives and power of the tests.

python benchmarks/intervals.py            # minutes
python benchmarks/intervals.py --sets 50  # faster, less precise

Simulates networks with known population metrics: each clip of a class is misclassified with that class's own
probability.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from mmn.data.format.classes import Classes
from mmn.evaluation.exchange import exchange_test
from mmn.evaluation.intervals import intervals, observed
from mmn.evaluation.paired import mcnemar
from mmn.evaluation.scores import Scores

ROWS = ("top1", "action_f1_macro")


def simulated(
    classes: int, clips: int, skill: NDArray[np.float64], rng: np.random.Generator, people: int = 0, spread: float = 0.0
) -> Scores:
    """Balanced clips, each classified correctly with its class's ``skill``, which varies by person with ``spread``."""
    labels = np.arange(clips) % classes
    person = rng.integers(0, people, clips) if people else np.zeros(clips, np.int64)
    own = rng.normal(0, spread, max(people, 1))[person]
    right = rng.uniform(size=clips) < np.clip(skill[labels] + own, 0.02, 0.98)
    taken = np.where(right, labels, (labels + rng.integers(1, classes, clips)) % classes)
    names = [str(k) for k in range(classes)]
    logits = np.eye(classes, dtype=np.float32)[taken]
    groups = [str(p) for p in person] if people else None
    return Scores([str(i) for i in range(clips)], labels, logits, Classes(names, [], []), groups=groups)


def coverage(
    sets: int, draws: int, classes: int, clips: int, people: int = 0, spread: float = 0.0, seed: int = 0
) -> dict[str, float]:
    """Percentage of simulated data sets whose interval contains the population value, for each of ``ROWS``."""
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.3, 0.95, classes)
    many = 200_000
    truth = observed(simulated(classes, many, skill, rng, many if people else 0, spread))
    inside = dict.fromkeys(ROWS, 0)
    for _ in range(sets):
        bounds = intervals(simulated(classes, clips, skill, rng, people, spread), draws)
        for name in ROWS:
            inside[name] += bounds[name][0] <= truth[name] <= bounds[name][1]
    return {name: 100 * count / sets for name, count in inside.items()}


def false_alarms(sets: int, draws: int, clips: int, gain: float = 0.0, seed: int = 0) -> dict[str, float]:
    """Percentage of pairs of networks, the first better by ``gain``, with a significant difference at 5 %.

    Returns:
        ``McNemar``, ``exchange``, the macro F1 by exchange, and ``any, Holm``: any of them after Holm's correction.
    """
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.3, 0.9, 8)
    hits = {"McNemar": 0, "exchange": 0, "action_f1_macro": 0, "any, Holm": 0}
    for _ in range(sets):
        pair = [simulated(8, clips, skill + more, rng) for more in (gain, 0.0)]
        right = [one.logits.argmax(axis=1) == one.labels for one in pair]
        tests = exchange_test(pair, draws)
        found = {"McNemar": mcnemar(*right), "exchange": tests["top1"], "action_f1_macro": tests["action_f1_macro"]}
        for name, p in found.items():
            hits[name] += p < 0.05
        hits["any, Holm"] += 2 * min(found["McNemar"], found["action_f1_macro"]) < 0.05  # the smaller of two, by Holm
    return {name: 100 * count / sets for name, count in hits.items()}


def report(sets: int, draws: int) -> Iterator[str]:
    """The lines of the table."""
    tables: tuple[tuple[str, Callable[[], dict[str, float]]], ...] = (
        ("covers, 52 classes of 6 clips", lambda: coverage(sets, draws, 52, 312)),
        ("covers, 14 classes of 12 clips", lambda: coverage(sets, draws, 14, 176)),
        ("covers, 6 classes of 100 clips", lambda: coverage(sets, draws, 6, 600)),
        ("covers, 300 clips of 20 people", lambda: coverage(sets, draws, 6, 300, 20, 0.15)),
        ("the same, people unknown", lambda: _people_unknown(sets, draws)),
        ("differ, 100 clips, alike", lambda: false_alarms(2 * sets, 999, 100)),
        ("differ, 400 clips, alike", lambda: false_alarms(2 * sets, 999, 400)),
        ("differ, 400 clips, 6 points", lambda: false_alarms(sets, 999, 400, 0.06)),
        ("differ, 400 clips, 10 points", lambda: false_alarms(sets, 999, 400, 0.10)),
    )
    for name, measure in tables:
        yield f"{name:32} " + ", ".join(f"{key} {value:.1f} %" for key, value in measure().items())


def _people_unknown(sets: int, draws: int) -> dict[str, float]:
    """Coverage if the file does not record people: the error that resampling by person fixes."""
    rng = np.random.default_rng(0)
    skill = rng.uniform(0.3, 0.95, 6)
    truth = observed(simulated(6, 400_000, skill, rng, 400_000, 0.15))["top1"]
    inside = 0
    for _ in range(sets):
        scores = simulated(6, 300, skill, rng, 20, 0.15)
        low, high = intervals(Scores(scores.names, scores.labels, scores.logits, scores.classes), draws)["top1"]
        inside += low <= truth <= high
    return {"top1": 100 * inside / sets}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=400, help="simulated data sets per line")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap draws per data set")
    options = parser.parse_args()
    for line in report(options.sets, options.draws):
        print(line, flush=True)
