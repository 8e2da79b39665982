"""Every format, damaged at random: a few cases of what ``make torture`` does for as long as it is given."""

import pytest

from faults.campaigns import Format, cases, formats

NAMES = (
    "data", "scores", "official weights", "npz", "packed npz", "npy", "pyskl", "alphapose", "labels", "layout", "json",
    "yaml", "submission",
)  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Format]:
    return formats(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_refused_in_a_sentence_or_read_as_they_were(name: str, sound: dict[str, Format]) -> None:
    wrong = [(case, end) for case, end in cases(name, sound[name], seed=0, count=25) if end[0].isupper()]
    assert wrong == []


def test_every_format_is_tried(sound: dict[str, Format]) -> None:
    assert set(sound) == set(NAMES)
