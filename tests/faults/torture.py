"""``make torture``: read damaged files of every format, kill runs, train long, for a given time; continues if stopped.

Each block of cases runs in its own process, so that crashes, hangs and excessive memory are detected. The results file
gets one line per block; at the end a table is printed, and the exit status is 1 if any case failed.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import endurance, kills
from faults.campaigns import cases, formats

SECONDS_A_CASE = 20
KILLS = 3  # of a run
MOST_MEMORY = 1 << 30  # bytes, beyond what reading the sound file takes


def block(name: str, folder: str, seed: int, first: int, count: int, queue: Any) -> None:
    """Run some cases of a format."""
    one = formats(Path(folder))[name]
    one.read(one.sound)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ends: Counter[str] = Counter()
    wrong = []
    for case, end in cases(name, one, seed, count, first):
        ends[end if end[0].islower() else "failed"] += 1
        if end[0].isupper():
            wrong.append([case, end])
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if grown > MOST_MEMORY:
        wrong.append([f"{name} {first} to {first + count}", f"MEMORY: {grown:,} bytes"])
    queue.put((dict(ends), wrong))


def run_block(name: str, seed: int, first: int, count: int) -> tuple[dict[str, int], list[list[str]]]:
    """Count the outcomes of a block's cases, and list the failures, including crashes and hangs."""
    if name in kills.KINDS:
        return kills.storm(name, seed + first, KILLS)
    if name == endurance.NAME:
        return endurance.epochs(seed + first)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=block, args=(name, folder, seed, first, count, queue))
        process.start()
        end = time.monotonic() + 60 + SECONDS_A_CASE * count / 10
        while process.is_alive() and queue.empty() and time.monotonic() < end:
            time.sleep(0.05)
        if not queue.empty():
            found = queue.get()
            process.join()
            return found
        hung = process.is_alive()
        process.kill()
        process.join()
    what = "HANG" if hung else f"CRASH: exit code {process.exitcode}"
    return {"failed": 1}, [[f"{name} {first} to {first + count}, seed {seed}", what]]


def main() -> None:
    """Run blocks of all formats in turn until the time is over, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--block", type=int, default=100, help="cases per process")
    parser.add_argument("--results", type=Path, default=Path("logs/torture.jsonl"))
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    done = [json.loads(line) for line in lines]
    done = [one for one in done if one["seed"] == options.seed]
    with tempfile.TemporaryDirectory() as folder:
        names = [*formats(Path(folder)), *kills.KINDS, endurance.NAME]
    end = time.monotonic() + 60 * options.minutes
    first = 0
    while time.monotonic() < end:
        for name in names:
            if any(one["name"] == name and one["first"] == first for one in done) or time.monotonic() > end:
                continue
            ends, wrong = run_block(name, options.seed, first, options.block)
            done.append({"name": name, "seed": options.seed, "first": first, "ends": ends, "wrong": wrong})
            with options.results.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
        first += options.block
    sys.exit(table(names, done))


def table(names: list[str], done: list[dict[str, Any]]) -> int:
    """Print the table of outcomes; return 1 if any case failed."""
    columns = ("refused", "as it was", "another", "failed")
    print(f"{'what':22}{'cases':>8}" + "".join(f"{column:>12}" for column in columns))
    for name in names:
        ends = sum((Counter(one["ends"]) for one in done if one["name"] == name), Counter())
        print(f"{name:22}{ends.total():>8}" + "".join(f"{ends[column]:>12}" for column in columns))
    wrong = [pair for one in done for pair in one["wrong"]]
    for case, what in wrong[:50]:
        print(f"{case}: {what}")
    return int(bool(wrong))


if __name__ == "__main__":
    main()
