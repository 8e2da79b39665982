"""Rules that keep the tree readable; import contracts are in pyproject.toml."""

from conftest import ROOT

MOST_LINES = 250


def test_files_are_short() -> None:
    folders = ("src", "tests", "benchmarks", "examples")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}
