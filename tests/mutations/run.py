"""Mutation testing: break one line at a time and run the tests that guard it.

python tests/mutations/run.py                       # every list beside this file
python tests/mutations/run.py model --jobs 2        # tests/mutations/model.yaml
python tests/mutations/run.py model --only gate     # only mutations whose file or lines contain a word

A list is YAML: entries ``file``, ``tests`` (pytest's arguments) and ``mutations``, each with ``old`` (text that occurs
once in the file), ``new``, and its own ``tests`` if others guard it. Mutations are applied to a scratch copy. The exit
status is non-zero if fewer than 95 % are killed, or if a list no longer matches the code.
"""

import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WANTED = 95.0  # percent killed
LIMIT = 240  # seconds after which a mutation counts as killed, since the broken code may never end


class Mutation(NamedTuple):
    """One change of one file, and the tests that should notice."""

    list: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())}  →  {' '.join(self.new.split()) or '(nothing)'}"


def read_mutations(names: list[str] | None = None) -> list[Mutation]:
    """The mutations of the named lists, or of all."""
    paths = [HERE / f"{name}.yaml" for name in names] if names else sorted(HERE.glob("*.yaml"))
    return [mutation for path in paths for mutation in _entries(path)]


def _entries(path: Path) -> Iterator[Mutation]:
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        for change in entry["mutations"]:
            tests = tuple(change.get("tests", entry["tests"]))
            yield Mutation(path.stem, entry["file"], change["old"], change["new"], tests)


def misfit(mutation: Mutation) -> str | None:
    """Why a mutation no longer matches the code; None if it does."""
    path = ROOT / mutation.file
    count = path.read_text(encoding="utf-8").count(mutation.old) if path.exists() else 0
    if count != 1:
        return f"{mutation.file} has {mutation.old!r} {count} times, not once"
    missing = [test for test in mutation.tests if not _exists(test)]
    return f"there is no {missing[0]}" if missing else None


def _exists(test: str) -> bool:
    """Whether there is a test file or function; pytest would fail without one, as if a mutation were killed."""
    file, _, name = test.partition("::")
    path = ROOT / file
    return path.exists() and (not name or f"def {name.partition('[')[0]}(" in path.read_text(encoding="utf-8"))


def is_killed(mutation: Mutation | None, tests: tuple[str, ...]) -> bool:
    """Whether the tests fail with a mutation; None tests the unchanged code."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        root = Path(scratch, "mmn")
        left_out = shutil.ignore_patterns(".*", "logs", "__pycache__")
        shutil.copytree(ROOT, root, ignore=left_out)
        if mutation is not None:
            path = root / mutation.file
            path.write_text(path.read_text(encoding="utf-8").replace(mutation.old, mutation.new), encoding="utf-8")
        process = multiprocessing.get_context("fork").Process(target=_test, args=(root, tests))
        process.start()
        process.join(LIMIT if mutation else None)
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)  # including its child processes
            process.join()
        return process.exitcode != 0


def _test(root: Path, tests: tuple[str, ...]) -> None:
    """Run tests in a forked process, into which torch but nothing of this project has been imported."""
    import pytest

    os.setsid()
    os.chdir(root)
    os.environ.setdefault("MMN_REFERENCE", str(ROOT.parent / "shared"))
    os.environ["PYTHONPATH"] = str(root / "src")
    sys.path.insert(0, str(root / "src"))
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    os._exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])))


def main() -> None:
    """Run the named lists and print which mutations were killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="*", help="names of lists (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="mutations at a time")
    parser.add_argument("--only", default="", help="a word in the file or the lines")
    options = parser.parse_args()
    mutations = [m for m in read_mutations(options.lists) if options.only in f"{m.file} {m.old} {m.new}"]
    if stale := [reason for mutation in mutations if (reason := misfit(mutation))]:
        sys.exit("\n".join(stale))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import lightning  # noqa: F401  # once, for all the processes that are forked from this one

    tests = tuple(sorted({test for mutation in mutations for test in mutation.tests}))
    if is_killed(None, tests):
        sys.exit(f"the tests fail without any mutation: {' '.join(tests)}")
    with ThreadPoolExecutor(options.jobs) as pool:
        killed = list(pool.map(_run, mutations))
    _table(mutations, killed)
    sys.exit(100 * sum(killed) < WANTED * len(killed))


def _run(mutation: Mutation) -> bool:
    started = time.monotonic()
    killed = is_killed(mutation, mutation.tests)
    print(f"{'killed  ' if killed else 'SURVIVED'} {time.monotonic() - started:4.0f} s  {mutation}", flush=True)
    return killed


def _table(mutations: list[Mutation], killed: list[bool]) -> None:
    print(f"\n{'list':<12} {'killed':>6} {'of':>4}")
    for name in dict.fromkeys(mutation.list for mutation in mutations):
        found = [k for mutation, k in zip(mutations, killed, strict=True) if mutation.list == name]
        print(f"{name:<12} {sum(found):>6} {len(found):>4}  {100 * sum(found) / len(found):.1f} %")
    print(f"{'all':<12} {sum(killed):>6} {len(killed):>4}  {100 * sum(killed) / max(len(killed), 1):.1f} %")


if __name__ == "__main__":
    main()
