"""Clips to label next and labels to check: a CSV that goes back to ``mmn convert``, and a page that saves it."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import CHROMIUM, open_page
from commands import Ended, in_process, train

import mmn
from mmn.data.format.clips import UNKNOWN
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.subset import nested_subset
from mmn.data.view.view import View
from mmn.evaluation.suggest import next_to_label
from mmn.text import cell, uncell


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def suggest(folder: Path, *arguments: object) -> Ended:
    return in_process("mmn", "suggest", *map(str, arguments), cwd=folder)


def test_suggested_clips_are_uncertain_and_diverse() -> None:
    places = np.repeat([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], 50, axis=0)
    features = places + np.random.default_rng(0).normal(0, 0.1, (150, 2))
    chances = np.full((150, 2), [0.999, 0.001])
    unsure = [3, 60, 120]
    chances[unsure] = 0.5
    assert sorted(next_to_label(features, chances, 3).tolist()) == unsure
    features[:] = places  # all clips of a place are the same
    chances[:] = 0.5
    assert sorted(next_to_label(features, chances, 3) // 50) == [0, 1, 2]


def test_few_clips_are_all_suggested_least_confident_first() -> None:
    chances = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert next_to_label(np.zeros((3, 4)), chances, 5).tolist() == [1, 2, 0]


@pytest.fixture(scope="module")
def partly(small: SkeletonData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test clips, half of them unlabelled, as a data file and as arrays."""
    folder = tmp_path_factory.mktemp("partly")
    test = small.splits["test"]
    labels = test.labels.copy()
    labels[::2] = UNKNOWN
    names = ["=1+1", *test.names[1:]]
    write_data(folder / "f.h5", replace(small, splits={"test": replace(test, labels=labels, names=names)}))
    np.savez(folder / "f.npz", **{name: test.clip(i) for i, name in enumerate(names)})
    return folder


def test_the_table_is_read_by_convert(partly: Path, small: SkeletonData, small_checkpoint: Path) -> None:
    done = suggest(partly, small_checkpoint, "f.h5", "--output", "l.csv", "--count", 14)
    assert (done.returncode, done.stdout) == (0, "l.csv: 14 to label and 0 to check of 28 clips\n"), done.stderr
    table = rows(partly / "l.csv")
    assert [row["why"] for row in table] == ["label"] * 14 + [""] * 14
    assert all((row["label"], row["split"]) == ("", "train") for row in table[:14])
    test = small.splits["test"]
    known = {name: small.classes.names[k] for name, k in zip(test.names, test.labels, strict=True)}
    assert all((row["label"], row["split"]) == (known[row["name"]], "test") for row in table[14:])
    table[0]["label"], table[1]["label"] = "wave", "own gesture"
    with (partly / "filled.csv").open("w") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    labels = "--layout", "jhmdb", "--labels", "filled.csv"
    refused = in_process("mmn", "convert", "f.npz", "g.h5", *labels, cwd=partly)
    assert "give your own names with --classes" in refused.stderr
    (partly / "classes.txt").write_text("\n".join([*small.classes.names, "own gesture"]))
    done = in_process("mmn", "convert", "f.npz", "g.h5", *labels, "--classes", "classes.txt", cwd=partly)
    assert done.returncode == 0, done.stderr
    data = read_data(partly / "g.h5")
    train = data.splits["train"]
    assert train.names[0] == uncell(table[0]["name"])
    assert train.labels.tolist() == [data.classes.names.index("wave"), 14, *[UNKNOWN] * 12]
    assert suggest(partly, small_checkpoint, "g.h5", "--output", "m.csv", "--page", "m.html").returncode == 0
    assert (partly / "m.html").read_text().count('<option value="own gesture">') == 1
    assert data.splits["test"].labelled.all()


def test_the_order_is_by_usefulness(partly: Path, small_checkpoint: Path) -> None:
    assert suggest(partly, small_checkpoint, "f.h5", "--output", "few.csv", "--count", 4).returncode == 0
    data, predictor = read_data(partly / "f.h5").splits["test"], mmn.Predictor(small_checkpoint)
    unlabelled = np.flatnonzero(~data.labelled)
    clips = [data.clip(i) for i in unlabelled]
    _, features = predictor.examine(clips)
    assert features.shape == (14, 16)
    chosen = next_to_label(features, predictor(clips), 4)
    table = rows(partly / "few.csv")
    assert [uncell(row["name"]) for row in table[:4]] == [data.names[unlabelled[i]] for i in chosen]
    assert [row["split"] for row in table].count("train") == 4


@pytest.fixture
def contradicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every network is confident that every clip is of class 3."""
    real = mmn.Predictor.examine

    def examine(self, *arguments):  # type: ignore[no-untyped-def]
        logits, features = real(self, *arguments)
        logits[:, 3] = 100
        return logits, features

    monkeypatch.setattr(mmn.Predictor, "examine", examine)
    return tmp_path


def test_labels_that_the_network_contradicts_are_suggested_for_checking(
    contradicted: Path, run: Path, small: SkeletonData, jhmdb_like: Path
) -> None:
    best = run / "checkpoints" / "best.ckpt"
    options = best, jhmdb_like, "--output", "l.csv", "--checks", 99
    assert suggest(contradicted, *options).returncode == 0
    checked = [row for row in rows(contradicted / "l.csv") if row["why"] == "check"]
    assert {row["split"] for row in checked} == {"val", "test"}  # the network was trained on those of train
    assert len(checked) == 2 * 2 * 13  # all but those of class 3
    assert all(row["label"] != row["likeliest"] == small.classes.names[3] for row in checked)
    other = replace(small, classes=replace(small.classes, names=["other", *small.classes.names[1:]]))
    write_data(contradicted / "other.h5", other)
    again = best, "other.h5", "--output", "l.csv", "--checks", 999, "--overwrite"
    assert suggest(contradicted, *again).returncode == 0
    checked = [row for row in rows(contradicted / "l.csv") if row["why"] == "check"]
    assert len(checked) == 2 * 2 * 12  # nor those of the class that it does not know


def test_labels_trained_on_are_not_checked_after_relabelling_and_with_views(
    contradicted: Path, jhmdb_like: Path, small: SkeletonData
) -> None:
    part = ["data.joints=[left_arm,face]", "data.clips_per_class=2", "data.max_train_clips=26"]
    assert train(contradicted / "run", jhmdb_like, *part, "trainer.max_epochs=1", "test=false").returncode == 0
    view = View(joints=["left_arm", "face"], clips_per_class=2)
    clips, drawn = small.splits["train"], view.apply(small, "f.h5").splits["train"]
    trained_on = [drawn.names[i] for i in nested_subset(drawn.labels, 26, seed=1)]
    names, labels = ["renamed", *clips.names[1:]], np.full_like(clips.labels, 5)
    write_data(contradicted / "f.h5", replace(small, splits={"val": replace(clips, labels=labels, names=names)}))
    done = suggest(contradicted, "run/checkpoints/last.ckpt", "f.h5", "--output", "l.csv", "--checks", 999)
    assert (done.returncode, "training clips" in done.stderr) == (0, False)
    checked = {row["name"] for row in rows(contradicted / "l.csv") if row["why"] == "check"}
    assert checked == {new for old, new in zip(clips.names, names, strict=True) if old not in trained_on}


def test_a_checkpoint_without_a_record_of_its_clips_is_named(contradicted: Path, run: Path, jhmdb_like: Path) -> None:
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    del content["mmn"]["stream"]["trained_on"]
    torch.save(content, contradicted / "old.ckpt")
    done = suggest(contradicted, "old.ckpt", jhmdb_like, "--output", "l.csv", "--checks", 999)
    note = "the training clips of old.ckpt are not recorded; their labels are checked as well\n"
    assert (done.returncode, done.stderr) == (0, note)
    assert sum(row["why"] == "check" for row in rows(contradicted / "l.csv")) == (4 + 2 + 2) * 13


def test_clips_to_label_come_before_labels_to_check(
    contradicted: Path, small: SkeletonData, small_checkpoint: Path
) -> None:
    val = small.splits["val"]
    labels = val.labels.copy()
    labels[-3:] = UNKNOWN
    write_data(contradicted / "f.h5", replace(small, splits={"val": replace(val, labels=labels)}))
    assert suggest(contradicted, small_checkpoint, "f.h5", "--output", "l.csv", "--checks", 5).returncode == 0
    assert [row["why"] for row in rows(contradicted / "l.csv")] == ["label"] * 3 + ["check"] * 5 + [""] * 20


@pytest.fixture(scope="module")
def page(partly: Path, small_checkpoint: Path) -> Path:
    """A page with four clips."""
    options = small_checkpoint, "f.h5", "--output", "p.csv", "--page", "p.html", "--count", 4
    assert suggest(partly, *options).returncode == 0
    return partly / "p.html"


def test_the_page_contains_the_clips_and_the_whole_table(page: Path, small: SkeletonData) -> None:
    text = page.read_text()
    parts = {
        name: json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)[1])
        for name in ("players", "table")
    }
    assert [len(clip[0]) for clip in parts["players"][0]["clips"]] == [2 * 15] * 4
    table = rows(page.with_name("p.csv"))
    assert parts["table"]["columns"] == list(table[0])
    assert [row[0] for row in parts["table"]["rows"]] == [uncell(row["name"]) for row in table]
    assert text.count('<input type="radio"') == 4 * 3
    assert text.count("<option") == len(small.classes.names)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_choices_in_a_browser_fill_in_the_table(page: Path, tmp_path: Path) -> None:
    with open_page(page, tmp_path) as browser:
        first = browser.evaluate("document.querySelector('.choice input[type=radio]').click(), chosen(choices[0])")
        other = "choices[1].querySelector('input[type=search]')"
        browser.evaluate(
            f"{other}.value = 'a, \"new\" one', {other}.dispatchEvent(new Event('input', {{bubbles: true}}))"
        )
        assert browser.evaluate("document.querySelector('#chosen').value") == "2"
        text = browser.evaluate("csv()")
        assert not browser.errors
    expected = rows(page.with_name("p.csv"))
    expected[0]["label"], expected[1]["label"] = first, 'a, "new" one'
    assert list(csv.DictReader(text.splitlines())) == expected


@pytest.mark.parametrize("text", ["=1+1", "-x", "@me", "plain", "'quoted", "", "'"])
def test_a_cell_is_read_as_it_was_written(text: str) -> None:
    assert uncell(cell(text)) == text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.h5", "--output", "l.csv"], "there is no data file none.h5"),
        (["f.npz", "--output", "l.csv"], "f.npz is not"),
        (["f.h5", "--output", "l.txt"], "l.txt must end in .csv"),
        (["f.h5", "--output", "l.csv", "--count", "0"], "--count is 0"),
        (["whole.h5", "--output", "l.csv"], "whole.h5 has no unlabelled clips"),
        (["f.h5", "--output", "l.csv", "--page", "l.csv"], "--output and --page are both l.csv"),
        (["f.h5", "--output", "filled.csv"], "filled.csv has a label for test0004 that f.h5 lacks"),
        (["f.h5", "--output", "l.csv", "--modality", "bone"], "leave out modality bone"),
    ],
)
def test_invalid_suggestion_requests_end_in_one_sentence(
    partly: Path, small: SkeletonData, small_checkpoint: Path, arguments: list[str], sentence: str
) -> None:
    write_data(partly / "whole.h5", replace(small, splits={"test": small.splits["test"]}))
    labels = small.splits["test"].labels  # as an index and in capitals: these are in the data file
    known = f"test0001,{labels[1]}\ntest0003,{small.classes.names[labels[3]].upper()}\n"
    (partly / "filled.csv").write_text(f"name,label\n{known}test0002,-1\ntest0004,my own\n")
    before = set(partly.iterdir())
    done = suggest(partly, small_checkpoint, *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert sentence in done.stderr
    assert set(partly.iterdir()) == before
    assert "my own" in (partly / "filled.csv").read_text()
