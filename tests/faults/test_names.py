"""Names that a terminal, console markup, a formula renderer or a spreadsheet would interpret."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import in_process
from hypothesis import given
from hypothesis import strategies as st

from mmn.data.format.classes import Classes
from mmn.data.format.hdf5 import write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.probabilities import write_probabilities
from mmn.evaluation.scores import Scores
from mmn.text import is_plain, plain

SHOWN = [
    "reach [left]",
    "[/] [bold red]x",
    r"a$\frac{x$b",
    "_hidden",
    ":smile:",
    "<script>alert(1)</script>",
    "=cmd|x",
    "ä 漢",
]


def named(data: SkeletonData, names: list[str]) -> SkeletonData:
    """A copy with the first classes and clips renamed."""
    classes = [*names, *data.classes.names[len(names) :]]
    clips = data.splits["test"]
    test = replace(clips, names=[*names, *clips.names[len(names) :]])
    return replace(data, classes=Classes(classes, [], []), splits={**data.splits, "test": test})


def test_names_are_shown_verbatim(small: SkeletonData, tmp_path: Path) -> None:
    write_data(tmp_path / "x.h5", named(small, SHOWN))
    ended = in_process("mmn", "inspect", "x.h5", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for name in SHOWN:
        assert name in ended.stdout
    ended = in_process("mmn", "animate", "x.h5", r"test/a$\frac{x$b", "out.gif", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


CONTROL = ["\x1b]0;title\x07", "a\x1b[2Jb", "a\nb", "\x9b31m", "a\u202eb", "a\u200bb", "a\u061cb", "a\U000e0041b"]


@pytest.mark.parametrize("name", [*CONTROL, "x" * 5_000])
@pytest.mark.parametrize("where", ["classes", "clips", "joints", "source", "groups"])
def test_names_with_control_characters_and_long_names_are_refused(name: str, where: str, small, tmp_path: Path) -> None:
    joints = [name, *small.layout.joints[1:]]
    data = {
        "classes": replace(small, classes=Classes([name, *small.classes.names[1:]], [], [])),
        "clips": replace(
            small, splits={"test": replace(small.splits["test"], names=[f"{name}{i}" for i in range(28)])}
        ),
        "joints": replace(small, layout=replace(small.layout, joints=joints)),
        "source": replace(small, source=name),
        "groups": replace(small, classes=Classes(small.classes.names, [0] * 14, [name])),
    }[where]
    with pytest.raises(UserError, match=r"x\.h5") as error:
        write_data(tmp_path / "x.h5", data)
    assert is_plain(str(error.value))
    assert len(str(error.value)) < 1_000


def test_csv_cells_are_not_formulas(small: SkeletonData, tmp_path: Path) -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "plain"]
    logits = np.random.default_rng(0).normal(size=(5, 14)).astype(np.float32)
    classes = Classes(["=1+1", *small.classes.names[1:]], [], [])
    scores = Scores(names, np.zeros(5, np.int64), logits, classes)
    write_predictions(tmp_path, scores)
    write_probabilities(tmp_path / "p.csv", scores)
    for file in ("prediction.csv", "p.csv"):
        lines = (tmp_path / file).read_text().splitlines()
        assert not [line for line in lines if line.strip('"').startswith(("=", "+", "-", "@")) or ",=" in line]


@given(st.text())
def test_plain_is_idempotent_and_keeps_plain_text(text: str) -> None:
    assert is_plain(plain(text))
    assert plain(plain(text)) == plain(text)
    if is_plain(text):
        assert plain(text) == text
