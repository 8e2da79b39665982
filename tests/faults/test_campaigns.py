"""Randomly damaged files of every format: a few of the cases that ``make torture`` runs."""

from pathlib import Path

import pytest

from faults.campaigns import Format, cases, formats
from mmn.errors import UserError

NAMES = (
    "data", "scores", "official weights", "npz", "packed npz", "npy", "pyskl", "alphapose", "labels", "layout", "json",
    "yaml", "submission",
)  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Format]:
    return formats(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_refused_or_read_unchanged(name: str, sound: dict[str, Format]) -> None:
    wrong = [(case, end) for case, end in cases(name, sound[name], seed=0, count=25) if end[0].isupper()]
    assert wrong == []


def test_errors_for_invalid_headers_name_the_file(sound: dict[str, Format], tmp_path: Path) -> None:
    content = sound["npy"].sound.read_bytes()
    (tmp_path / "clip.npy").write_bytes(content[:93] + content[120:])
    with pytest.raises(UserError, match=r"clip\.npy"):
        sound["npy"].read(tmp_path / "clip.npy")


def test_every_format_is_covered(sound: dict[str, Format]) -> None:
    assert set(sound) == set(NAMES)
