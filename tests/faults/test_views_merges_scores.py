"""Invalid views, merges, splits and score files end in a one-line message, and nothing is written."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import in_process

from mmn.data.format.classes import Classes
from mmn.data.format.hdf5 import write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.foreign_scores import read_foreign
from mmn.evaluation.scores import Scores

VIEWS = [
    ({"joints": [3]}, "data.joints has 3, which is not a name; give parts, joints or patterns"),
    ({"joints": [None]}, "data.joints has None, which is not a name"),
    ({"joints": 5}, "data.joints has 5, which is not a name"),
    ({"joints": ["-right_arm", "-left_arm", "-right_leg", "-left_leg", "-torso"]}, "leaves no joint"),
    ({"joints": ["["]}, "data.joints names '['"),
    ({"classes": [-1]}, "data.classes names -1"),
    ({"classes": [1.5]}, "data.classes names 1.5"),
    ({"classes": [["wave"]]}, "data.classes names ['wave']"),
    ({"classes": {"wave": 1}}, "data.classes is {'wave': 1}; give a list of names"),
    ({"merge": {"": ["wave", "sit"]}}, "data.merge names a class ''; use a non-empty name on one line"),
    ({"merge": {"a\nb": ["wave", "sit"]}}, "data.merge names a class 'a\\nb'"),
    ({"merge": {"a": [99]}}, "data.merge names 99"),
    ({"target": None}, "data.target is None; use action or group"),
    ({"classes": ["wave"], "rest": 5}, "data.rest names a class 5"),
    ({"classes": ["wave"], "rest": ""}, "data.rest names a class ''"),
    ({"classes": ["wave"], "rest": "o", "rest_ratio": float("inf")}, "data.rest_ratio is inf; use a number above 0."),
    ({"train_fraction": float("nan")}, "data.train_fraction is nan"),
    ({"train_fraction": [0.1, 0.2]}, "data.train_fraction is [0.1, 0.2]"),
    ({"clips_per_class": float("inf")}, "data.clips_per_class is inf; use a whole number of at least 1"),
    ({"min_clips": float("nan")}, "data.min_clips is nan"),
    ({"draw_seed": -1}, "data.draw_seed is -1; use a whole number of at least 0"),
    ({"fold_seed": None}, "data.fold_seed is None"),
    ({"train_splits": None}, "data.train_splits is None; give a list"),
    ({"train_splits": ["dev"]}, "data.train_splits is ['dev']; use one or more of train, val, test"),
    ({"folds": 1, "fold": 0}, "data.folds"),
    ({"folds": 1000, "fold": 0}, "data.folds"),
    ({"folds": 3, "fold": 3}, "data.fold is 3; with data.folds=3, use 0 to 2"),
]


@pytest.mark.parametrize(("view", "sentence"), VIEWS)
def test_invalid_views_are_refused(view, sentence: str, small: SkeletonData) -> None:
    with pytest.raises(UserError) as error:
        View(**view).apply(small, "x.h5")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


MERGES = [
    (("split", "a.h5", "a.h5", "--by", "clip"), "", "a.h5 is the file to split; write to another file"),
    (("split", "a.h5", "c.h5", "--by", "clip", "--test", "nan"), "", "--test is nan and --val 0.1; use shares"),
    (("split", "a.h5", "c.h5", "--by", "clip", "--seed", "-1"), "", "--seed is -1; use a whole number of at least 0"),
    (("merge", ".", "a.h5", "b.h5"), "", ". is a folder; give the path of a file"),
    (("merge", "c.h5", "a.h5", "b.h5"), "source,class,name\na,wave\n", "row 2 has fewer than three cells"),
    (
        ("merge", "c.h5", "a.h5", "b.h5"),
        "source,class,name\na,wave,x\na,wave,y\n",
        "names.csv renames wave of a to x and to y; choose one",
    ),
    (
        ("merge", "c.h5", "a.h5", "b.h5"),
        "source,class,name\na,wave,\x07\n",
        "the name of class 13 has control characters",
    ),
]


@pytest.mark.parametrize(("words", "names", "sentence"), MERGES)
def test_invalid_merges_and_splits_are_refused(
    words, names: str, sentence: str, small: SkeletonData, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        write_data(tmp_path / f"{name}.h5", replace(small, splits={"test": small.splits["test"]}))
    if names:
        (tmp_path / "names.csv").write_text(names)
        words = (*words, "--map", "names.csv")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    ended = in_process("mmn", *words, cwd=tmp_path)
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (1, 1)
    assert sentence in ended.stderr
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


NAMES = [f"clip{i}" for i in range(3)]
KNOWN = Scores(NAMES, np.array([0, 1, -1]), np.zeros((3, 2), np.float32), Classes(["a", "b"], [], []))
ROWS = np.arange(6.0).reshape(3, 2)
SCORES = {
    "many_names.pkl": (pickle.dumps({"scores": ROWS, "names": NAMES * 2}), "has 6 names for 3 rows of scores"),
    "huge.json": (json.dumps([[10**400, 1]] * 3), "does not hold a row of class scores per clip"),
    "twice.csv": ("clip0,1,2\nclip1,1,2\nclip2,1,2\nclip0,2,1\n", "has two different rows of scores for clip clip0"),
    "complex.pkl": (pickle.dumps(ROWS * 1j), "does not hold a row"),
    "label.pkl": (pickle.dumps([{"score": row, "label": "x"} for row in ROWS]), "is not a readable score file"),
    "flat.csv": ("clip0\nclip1\nclip2\n", "it should hold one row of class scores per clip"),
    "comma.csv": ("".join(f'{name},"1,5",2\n' for name in NAMES), "is not a readable CSV file"),
    "ragged.csv": ("clip0,1,2\nclip1,1\nclip2,1,2\n", "all of one length"),
    "deep.json": ("[" * 100_000, "is nested too deeply"),
    "null.json": ("null", "does not hold a row"),
    "numbers.pkl": (pickle.dumps({i: ROWS[i] for i in range(3)}), "has no scores for clip clip0 (3 such)"),
    "cube.pkl": (pickle.dumps(np.zeros((3, 2, 2))), "does not hold a row"),
}


@pytest.mark.parametrize("name", SCORES)
def test_invalid_score_files_are_refused(name: str, tmp_path: Path) -> None:
    content, sentence = SCORES[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        read_foreign(tmp_path / name, KNOWN)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
