"""The challenge file of a split without labels, and what is wrong with damaged ones."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmn.cli.main import main
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.synthetic.synthesize import synthesize
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.check_submission import check_submission
from mmn.evaluation.scores import Scores, figures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MA-52-shaped file whose test labels are hidden, and a submission for it."""
    folder = tmp_path_factory.mktemp("challenge")
    data = synthesize(folder / "x.h5", "ma52", clips_per_class=1, val_per_class=0, test_per_class=2, frames=(8, 9))
    test = data.splits["test"]
    hidden = replace(test, labels=np.full(len(test), -1))
    write_data(folder / "x.h5", replace(data, splits={**data.splits, "test": hidden}))
    logits = np.random.default_rng(0).normal(size=(len(test), 52)).astype(np.float32)
    scores = Scores(test.names, hidden.labels, logits, data.classes)
    assert figures(scores) == {"clips": 0}
    write_predictions(folder, scores)
    return folder


def test_what_evaluation_writes_has_no_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("prediction.zip", "prediction.csv"):
        main(["check-submission", str(folder / name), str(folder / "x.h5")])
        assert "is complete: 104 clips" in capsys.readouterr().out


def lines(change) -> object:
    """A damage of the list of lines."""

    def damage(text: str) -> str:
        rows = text.splitlines()
        change(rows)
        return "\n".join(rows) + "\n"

    return damage


def cell(row: int, column: int, value: str) -> object:
    def change(rows: list[str]) -> None:
        cells = rows[row].split(",")
        cells[column] = value
        rows[row] = ",".join(cells)

    return lines(change)


DAMAGES = {
    "a clip missing": (lines(lambda rows: rows.pop(5)), "clip test0004.mp4 is missing"),
    "a clip twice": (lines(lambda rows: rows.append(rows[3])), "clip test0002.mp4 is there 2 times"),
    "a clip of another split": (cell(1, 0, "val0000.mp4"), "clip val0000.mp4 is not in split test"),
    "no suffix": (cell(1, 0, "test0000"), "clip test0000.mp4 is missing"),
    "an action out of range": (cell(2, 1, "52"), "action_pred_1 is '52', no index from 0 to 51"),
    "an action that is no number": (cell(2, 3, "nodding"), "action_pred_3 is 'nodding'"),
    "a body out of range": (cell(2, 6, "7"), "body_pred_1 is '7', no index from 0 to 6"),
    "a body of another action": (lines(lambda rows: rows.__setitem__(4, wrong_body(rows[4]))), "belongs to"),
    "an action twice": (lines(lambda rows: rows.__setitem__(4, repeated(rows[4]))), "an action is predicted twice"),
    "a cell too few": (lines(lambda rows: rows.__setitem__(4, rows[4].rsplit(",", 1)[0])), "it has 10 cells"),
    "another header": (lines(lambda rows: rows.__setitem__(0, "vid,action")), "the header is vid,action"),
    "nothing": (lambda text: "", "the header is missing"),
}


def wrong_body(row: str) -> str:
    cells = row.split(",")
    cells[6] = str((int(cells[6]) + 1) % 7)
    return ",".join(cells)


def repeated(row: str) -> str:
    cells = row.split(",")
    cells[2], cells[7] = cells[1], cells[6]
    return ",".join(cells)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_submission_is_refused_with_its_fault(damage: str, folder: Path, tmp_path: Path, capsys) -> None:
    change, sentence = DAMAGES[damage]
    with zipfile.ZipFile(tmp_path / "prediction.zip", "w") as archive:
        archive.writestr("prediction.csv", change((folder / "prediction.csv").read_text()))
    with pytest.raises(SystemExit, match=r"has \d+ faults"):
        main(["check-submission", str(tmp_path / "prediction.zip"), str(folder / "x.h5")])
    assert sentence in capsys.readouterr().out


def test_damaged_archives_are_faults(folder: Path, tmp_path: Path) -> None:
    data = read_data(folder / "x.h5")
    (tmp_path / "a.zip").write_bytes(b"no archive")
    assert "cannot be read" in check_submission(tmp_path / "a.zip", data)[0]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("folder/prediction.csv", "")
    assert "it has to hold prediction.csv alone" in check_submission(tmp_path / "b.zip", data)[0]
