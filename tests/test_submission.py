"""Challenge files of an unlabelled split, and the faults of damaged ones."""

import time
import tracemalloc
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
from mmn.evaluation.scores import Scores, compute_metrics


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
    assert compute_metrics(scores) == {"clips": 0}
    write_predictions(folder, scores)
    return folder


def test_a_file_written_by_evaluation_has_no_faults(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("prediction.zip", "prediction.csv"):
        main(["check-submission", str(folder / name), str(folder / "x.h5")])
        assert "is complete: 104 clips" in capsys.readouterr().out


def lines(change) -> object:
    """Apply ``change`` to the list of lines."""

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
    "a clip twice": (lines(lambda rows: rows.append(rows[3])), "clip test0002.mp4 occurs 2 times"),
    "a clip of another split": (cell(1, 0, "val0000.mp4"), "clip val0000.mp4 is not in split test"),
    "no suffix": (cell(1, 0, "test0000"), "clip test0000.mp4 is missing"),
    "an action out of range": (cell(2, 1, "52"), "action_pred_1 is '52', not an index from 0 to 51"),
    "an action that is no number": (cell(2, 3, "nodding"), "action_pred_3 is 'nodding'"),
    "an index in other digits": (cell(2, 1, "٣"), "action_pred_1 is '٣'"),
    "an index with a leading zero": (cell(2, 1, "03"), "action_pred_1 is '03'"),
    "an index of many digits": (cell(2, 1, "9" * 5_000), "action_pred_1 is '9999"),
    "an index in spaces": (cell(2, 1, " 3"), "action_pred_1 is ' 3'"),
    "terminal escape codes": (cell(1, 0, "\x1b[2J.mp4"), "clip [2J.mp4 is not in split test"),
    "a body out of range": (cell(2, 6, "7"), "body_pred_1 is '7', not an index from 0 to 6"),
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
    with pytest.raises(SystemExit, match=r"has \d+ faults?"):
        main(["check-submission", str(tmp_path / "prediction.zip"), str(folder / "x.h5")])
    assert sentence in capsys.readouterr().out


def test_damaged_archives_are_faults(folder: Path, tmp_path: Path) -> None:
    data = read_data(folder / "x.h5")
    (tmp_path / "a.zip").write_bytes(b"no archive")
    assert "not a readable zip archive" in check_submission(tmp_path / "a.zip", data)[0]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("folder/prediction.csv", "")
    assert "it should hold only prediction.csv" in check_submission(tmp_path / "b.zip", data)[0]


ENTRY = b"PK\x01\x02"  # of the archive's directory


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"test0001", b"test000x", 1),  # stored, so that its checksum is wrong
        lambda data: patched(data, 8, b"\x01\x00"),  # encrypted
        lambda data: patched(data, 10, b"\x63\x00"),  # an unknown compression
        lambda data: patched(data, 42, b"\x09\x00"),  # another offset
    ],
)
def test_archives_that_cannot_be_unpacked_are_faults(damage, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("prediction.csv", (folder / "prediction.csv").read_text())
    content = damage((tmp_path / "a.zip").read_bytes())
    (tmp_path / "a.zip").write_bytes(content)
    (fault,) = check_submission(tmp_path / "a.zip", read_data(folder / "x.h5"))
    assert "a.zip is not a readable zip archive" in fault


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    place = data.index(ENTRY) + offset
    return data[:place] + value + data[place + len(value) :]


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    data = read_data(folder / "x.h5")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prediction.csv", bytes(20_000_000))
    tracemalloc.start()
    assert "unpacks to more than" in check_submission(tmp_path / "a.zip", data)[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_time_grows_linearly_with_the_clips(folder: Path, tmp_path: Path) -> None:
    data = read_data(folder / "x.h5")
    names = [f"clip{i:06d}" for i in range(20_000)]
    clips = replace(data.splits["test"], names=names)  # only names are read
    head, row = (folder / "prediction.csv").read_text().splitlines()[:2]
    rest = row.partition(",")[2]
    (tmp_path / "p.csv").write_text("\n".join([head, *(f"{name}.mp4,{rest}" for name in names)]) + "\n")
    start = time.process_time()
    assert check_submission(tmp_path / "p.csv", replace(data, splits={"test": clips})) == []
    assert time.process_time() - start < 5
