"""Coverage of the confidence intervals, and false alarms and power of the tests.

python benchmarks/intervals.py             # minutes
python benchmarks/intervals.py --sets 100  # faster, less precise

Simulates networks whose population metrics are known: clips are drawn at random, and each of them is classified
correctly with a probability that depends on its class, the clip itself, the person in it, and the training.
"""

import argparse
import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from mmn.data.format.classes import Classes
from mmn.evaluation.exchange import exchange_test
from mmn.evaluation.intervals import intervals, observed, share_interval
from mmn.evaluation.paired import mcnemar, paired
from mmn.evaluation.scores import Scores

ROWS = ("top1", "action_f1_macro")
POPULATION = 100_000  # clips
NETWORKS = 8  # number of simulated networks, each with its own share of the data sets
HARDNESS = 0.2  # standard deviation, over clips, of the probability of being classified correctly


def simulated(
    skills: Sequence[NDArray[np.float64]], clips: int, rng: np.random.Generator, people: int = 0, spread: float = 0.0,
    balanced: bool = False,
) -> list[Scores]:  # fmt: skip
    """Scores of networks on the same clips, correct with their ``skill`` for the class, varied by clip and person.

    Args:
        skills: skill of each network by class ``(K,)``, 0–1.
        clips: number of clips.
        rng: random generator.
        people: number of people; 0 for a different person in every clip.
        spread: standard deviation of skill between people.
        balanced: draw the same number of clips of each class, instead of random classes.
    """
    k = len(skills[0])
    labels = np.arange(clips) % k if balanced else rng.integers(0, k, clips)
    person = rng.integers(0, people, clips) if people else np.zeros(clips, np.int64)
    shift = rng.normal(0, HARDNESS, clips) + rng.normal(0, spread, max(people, 1))[person]
    classes, names = Classes([str(i) for i in range(k)], [], []), [str(i) for i in range(clips)]
    groups = [str(p) for p in person] if people else None

    def network(skill: NDArray[np.float64]) -> Scores:
        right = rng.uniform(size=clips) < np.clip(skill[labels] + shift, 0.02, 0.98)
        taken = np.where(right, labels, (labels + rng.integers(1, k, clips)) % k)
        return Scores(names, labels, np.eye(k, dtype=np.float32)[taken], classes, groups=groups)

    return [network(skill) for skill in skills]


def coverage_of_shares(clips: int) -> dict[str, float]:
    """Coverage of intervals of a share of ``clips``: the lowest, and the mean over true shares, by enumeration."""
    hits, shares = np.arange(clips + 1), np.linspace(0.001, 0.999, 999)
    likelihood = binom.pmf(hits, clips, shares[:, None])
    bounds = {
        "Wilson": np.array(proportion_confint(hits, clips, method="wilson")),
        "Clopper–Pearson": np.array(proportion_confint(hits, clips, method="beta")),
        "ours": np.array([share_interval(k / clips, clips) for k in hits]).T / 100,
    }
    found = {}
    for name, (low, high) in bounds.items():
        low[0], high[-1] = 0.0, 1.0
        covered = 100 * (((low <= shares[:, None]) & (shares[:, None] <= high)) * likelihood).sum(axis=1)
        found |= {f"{name} at least": float(covered.min()), f"{name} on average": float(covered.mean())}
    return found


def coverage(
    sets: int, draws: int, classes: int, clips: int, people: int = 0, spread: float = 0.0, balanced: bool = False,
    recorded: bool = True, seed: int = 0,
) -> dict[str, float]:  # fmt: skip
    """Percentage of simulated data sets whose interval contains the population value, for each of ``ROWS``.

    Args:
        sets: number of data sets.
        draws: bootstrap draws.
        classes: number of classes.
        clips: number of clips per data set.
        people: see ``simulated``.
        spread: see ``simulated``.
        balanced: see ``simulated``.
        recorded: whether the file records the person of each clip.
        seed: seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    inside = dict.fromkeys(ROWS, 0)
    for number in range(sets):
        if number % (sets // NETWORKS) == 0:
            skill = [rng.uniform(0.3, 0.95, classes)]
            truth = observed(simulated(skill, POPULATION, rng, people and POPULATION, spread)[0])
        (scores,) = simulated(skill, clips, rng, people, spread, balanced)
        bounds = intervals(scores if recorded else replace(scores, groups=None), draws)
        for name in ROWS:
            inside[name] += bounds[name][0] <= truth[name] <= bounds[name][1]
    return {name: 100 * count / sets for name, count in inside.items()}


def of_networks(
    sets: int, draws: int, clips: int, gain: float = 0.0, people: int = 0, seed: int = 0
) -> dict[str, float]:
    """Percentage of pairs of networks, the first better by ``gain``, that differ significantly at 5 %.

    Returns:
        Top-1 by ``McNemar`` and by ``exchange``, the macro F1 by exchange, and ``any, Holm``: either metric after
        Holm's correction.
    """
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.3, 0.9, 8)
    hits = {"McNemar": 0, "exchange": 0, "macro F1": 0, "any, Holm": 0}
    for _ in range(sets):
        pair = simulated([skill + gain, skill], clips, rng)
        tests = exchange_test(pair, draws)
        p_values = {
            "McNemar": mcnemar(*(one.logits.argmax(axis=1) == one.labels for one in pair)),
            "exchange": tests["top1"],
            "macro F1": tests["action_f1_macro"],
        }
        p_values["any, Holm"] = 2 * min(p_values["McNemar"], p_values["macro F1"])  # the smaller of two, by Holm
        for name, p in p_values.items():
            hits[name] += p < 0.05
    return {name: 100 * count / sets for name, count in hits.items()}


def of_recipes(
    sets: int, draws: int, clips: int, trainings: int, gain: float = 0.0, unstable: float = 0.03, seed: int = 0
) -> dict[str, float]:
    """The same for two recipes trained several times each, with standard deviation ``unstable`` between trainings.

    Returns:
        Top-1, macro F1 and ``any, Holm`` over all trainings, and ``McNemar, one each`` of the first of each recipe.
    """
    rng = np.random.default_rng(seed)
    skill = rng.uniform(0.3, 0.9, 8)
    hits = {"Top-1": 0, "macro F1": 0, "any, Holm": 0, "McNemar, one each": 0}
    for _ in range(sets):
        better = np.repeat([gain, 0.0], trainings) + rng.normal(0, unstable, 2 * trainings)
        networks = simulated([skill + more for more in better], clips, rng)
        found = paired(networks[:trainings], networks[trainings:], draws)["differences"]
        right = [networks[i].logits.argmax(axis=1) == networks[i].labels for i in (0, trainings)]
        p_values = {
            "Top-1": found["top1"].p,
            "macro F1": found["action_f1_macro"].p,
            "any, Holm": min(found[name].p_holm for name in found),
            "McNemar, one each": mcnemar(*right),
        }
        for name, p in p_values.items():
            hits[name] += p < 0.05
    return {name: 100 * count / sets for name, count in hits.items()}


def report(sets: int, draws: int) -> Iterator[str]:
    """The lines of the table."""
    tables: list[tuple[str, Callable[[], dict[str, float]]]] = [
        *((f"share of {n} clips", partial(coverage_of_shares, n)) for n in (3, 5, 10, 20, 100, 1000)),
        ("covers, 52 classes, 312 clips", lambda: coverage(sets, draws, 52, 312)),
        ("covers, 14 classes, 176 clips", lambda: coverage(sets, draws, 14, 176)),
        ("covers, 6 classes, 600 clips", lambda: coverage(sets, draws, 6, 600)),
        ("the same, 100 clips of each", lambda: coverage(sets, draws, 6, 600, balanced=True)),
        ("covers, 300 clips of 20 people", lambda: coverage(sets, draws, 6, 300, 20, 0.15)),
        ("the same, people unknown", lambda: coverage(sets, draws, 6, 300, 20, 0.15, recorded=False)),
        *((f"networks alike, {n} clips", partial(of_networks, 2 * sets, 999, n)) for n in (100, 400)),
        *((f"{100 * g:.0f} points apart, 400 clips", partial(of_networks, sets, 999, 400, g)) for g in (0.06, 0.1)),
        *((f"recipes alike, {n} trainings", partial(of_recipes, 2 * sets, 999, 400, n)) for n in (2, 3, 5)),
        *((f"6 points apart, {n} trainings", partial(of_recipes, sets, 999, 400, n, 0.06)) for n in (2, 3, 5)),
        *((f"10 points apart, {n} trainings", partial(of_recipes, sets, 999, 400, n, 0.1)) for n in (2, 3, 5)),
    ]
    for name, measure in tables:
        yield f"{name:32} " + ", ".join(f"{key} {value:.1f} %" for key, value in measure().items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=400, help="simulated data sets per line (twice as many if alike)")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws per data set")
    options = parser.parse_args()
    gc.freeze()  # statsmodels collects garbage in every correction; nothing made by now is any
    for line in report(options.sets, options.draws):
        print(line, flush=True)
