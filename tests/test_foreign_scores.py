"""Scores of other projects, read as a stream and written for them."""

import json
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import in_process
from conftest import save_untrained

from mmn.data.format.classes import Classes
from mmn.data.format.skeletons import SkeletonData
from mmn.errors import UserError
from mmn.evaluation.foreign_scores import read_foreign
from mmn.evaluation.scores import Scores, compute_metrics, read_scores, write_scores
from mmn.evaluation.write_scores_as import FORMS, write_scores_as

NAMES = [f"clip{i}" for i in range(6)]
KNOWN = Scores(NAMES, np.array([0, 1, 2, 0, 1, -1]), np.zeros((6, 3), np.float32), Classes(["a", "b", "c"], [], []))
LOGITS = np.random.default_rng(0).normal(0, 2, (6, 3)).astype(np.float32)
OTHER_ORDER = [3, 1, 5, 0, 4, 2]


def npz(path: Path, **arrays) -> None:
    np.savez(path, **arrays)


def tables(**more) -> list[dict]:
    own = {"frame_dir": lambda i: f"videos/{NAMES[i]}.mp4", "gt_label": lambda i: int(KNOWN.labels[i])}
    return [{key: value(i) for key, value in {**own, **more}.items()} for i in OTHER_ORDER]


def csv(rows, delimiter: str = ",", header: str | None = None) -> str:
    lines = [delimiter.join([NAMES[i], *(f"{v:.9g}" for v in LOGITS[i])]) for i in rows]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


FORMS_OF_OTHERS = {
    "official.json": lambda p: p.write_text(json.dumps(LOGITS.tolist())),
    "named.json": lambda p: p.write_text(json.dumps({NAMES[i]: LOGITS[i].tolist() for i in OTHER_ORDER})),
    "pyskl.pkl": lambda p: p.write_bytes(pickle.dumps(list(LOGITS))),
    "epoch65_test_score.pkl": lambda p: p.write_bytes(pickle.dumps({NAMES[i]: LOGITS[i] for i in OTHER_ORDER})),
    "mmaction.pkl": lambda p: p.write_bytes(pickle.dumps(tables(pred_score=lambda i: torch.from_numpy(LOGITS[i])))),
    "mmaction_items.pkl": lambda p: p.write_bytes(
        pickle.dumps(tables(pred_scores=lambda i: {"item": LOGITS[i][None]}))
    ),
    "arrays.npz": lambda p: npz(p, names=np.array(NAMES)[OTHER_ORDER], scores=LOGITS[OTHER_ORDER]),
    "array_a_clip.npz": lambda p: npz(p, **{NAMES[i]: LOGITS[i] for i in OTHER_ORDER}),
    "rows.npy": lambda p: np.save(p, LOGITS),
    "plain.csv": lambda p: p.write_text(csv(OTHER_ORDER)),
    "header.csv": lambda p: p.write_text(csv(OTHER_ORDER, ";", "clip;a;b;c")),
}


@pytest.mark.parametrize("name", FORMS_OF_OTHERS)
def test_scores_of_other_projects_are_matched_to_our_clips(name: str, tmp_path: Path) -> None:
    FORMS_OF_OTHERS[name](tmp_path / name)
    found = read_foreign(tmp_path / name, KNOWN)
    assert found.names == NAMES
    np.testing.assert_allclose(found.logits, LOGITS, rtol=1e-6)
    assert found.labels is KNOWN.labels


def test_columns_under_class_names_are_put_in_our_order(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(csv(range(6), header="name,c,a,b"))
    np.testing.assert_allclose(read_foreign(tmp_path / "x.csv", KNOWN).logits, LOGITS[:, [1, 2, 0]], rtol=1e-6)


def test_probabilities_are_converted_to_logarithms_and_logged(tmp_path: Path, caplog) -> None:
    chances = torch.from_numpy(LOGITS).softmax(dim=1).numpy()
    np.save(tmp_path / "x.npy", chances)
    with caplog.at_level(logging.INFO):
        found = read_foreign(tmp_path / "x.npy", KNOWN)
    np.testing.assert_allclose(found.logits, np.log(chances), rtol=1e-4)
    assert "its rows are probabilities" in caplog.text
    assert "its rows have no names" in caplog.text


def test_clips_of_other_splits_are_ignored_and_logged(tmp_path: Path, caplog) -> None:
    rows = {**dict(zip(NAMES, LOGITS, strict=True)), "another": LOGITS[0]}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(rows))
    with caplog.at_level(logging.INFO):
        assert np.array_equal(read_foreign(tmp_path / "x.pkl", KNOWN).logits, LOGITS)
    assert "1 clip outside the split ignored" in caplog.text


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


FAULTS = {
    "a.pkl": (lambda p: p.write_bytes(pickle.dumps(Attack())), "it names posix.system, which is not data"),
    "b.pkl": (lambda p: p.write_bytes(b"\x80\x04nothing"), "b.pkl is not a readable score file"),
    "c.pkl": (lambda p: p.write_bytes(pickle.dumps(tables(other=lambda i: 1))), "a dict per clip with none of"),
    "d.pkl": (lambda p: p.write_bytes(pickle.dumps([1, 2, 3])), "does not hold a row of class scores per clip"),
    "e.pkl": (lambda p: p.write_bytes(pickle.dumps([LOGITS[0], LOGITS[1, :2]])), "all of one length"),
    "f.pkl": (lambda p: p.write_bytes(pickle.dumps({})), "does not hold a row"),
    "g.json": (lambda p: p.write_text("{"), "g.json is not a readable score file"),
    "h.json": (lambda p: p.write_text(json.dumps(LOGITS[:5].tolist())), "has 5 rows without names, but the split has "),
    "i.json": (lambda p: p.write_text(json.dumps({n: [1, 2, 3] for n in NAMES[:5]})), "no scores for clip clip5 (1 su"),
    "j.json": (lambda p: p.write_text(json.dumps([[1, 2]] * 6)), "has 2 scores per clip, but there are 3 classes"),
    "k.json": (lambda p: p.write_text(json.dumps({n: [1, float("nan") if n == "clip1" else 2, 0] for n in NAMES})),
               "the scores of clip1 are not all numbers"),
    "l.npy": (lambda p: np.save(p, np.array([{}], object)), "l.npy is not a readable array file (it holds"),
    "m.npz": (lambda p: p.write_bytes(b"PK"), "m.npz is not a readable array file"),
    "n.csv": (lambda p: p.write_text("clip0,1,2,3\nclip1,1,x,3\n"), "n.csv is not a readable CSV file"),
    "o.csv": (lambda p: p.write_text(csv(range(6), header="name,a,b,d")), "has no column for class c"),
    "p.csv": (lambda p: p.write_text(""), "does not hold a row"),
    "q.pkl": (lambda p: p.write_bytes(pickle.dumps(tables(score=lambda i: LOGITS[i], gt_label=lambda i: 2))),
              "has class 2 for clip clip0, but the split has 0 (4 such)"),
    "r.json": (lambda p: None, "there is no file"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_score_files_that_cannot_be_read_end_in_one_sentence(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, sentence = FAULTS[name]
    make(tmp_path / name)
    with pytest.raises(UserError) as error:
        read_foreign(tmp_path / name, KNOWN)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("form", FORMS)
def test_exported_scores_are_read_back(form: str, tmp_path: Path) -> None:
    write_scores(tmp_path / "scores_test.h5", Scores(NAMES, KNOWN.labels, LOGITS, KNOWN.classes))
    ended = in_process("mmn", "scores", str(tmp_path), "--to", form, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    np.testing.assert_allclose(read_foreign(tmp_path / f"scores_test.{form}", KNOWN).logits, LOGITS, rtol=1e-6)
    assert in_process("mmn", "scores", str(tmp_path), "--to", form, "--split", "val", cwd=tmp_path).returncode == 1


def test_evaluation_combines_foreign_scores_with_ours(jhmdb_like: Path, small: SkeletonData, tmp_path: Path) -> None:
    checkpoint = save_untrained(tmp_path / "net.ckpt", small, jhmdb_like)

    def evaluate(folder: str, *overrides: str):
        return in_process("eval.py", f"hydra.run.dir={tmp_path / folder}", *overrides, cwd=tmp_path)

    assert evaluate("own", f"ckpt_path={checkpoint}").returncode == 0
    own = read_scores(tmp_path / "own" / "scores.h5")
    theirs = Scores(own.names, own.labels, np.eye(14, dtype=np.float32)[own.labels] * 9, own.classes)
    write_scores_as(tmp_path / "other.pkl", theirs, "pkl")
    ended = evaluate("both", f"ckpt_path=[{checkpoint},other.pkl]", "weights=[1,3]")
    assert ended.returncode == 0, ended.stderr
    both = read_scores(tmp_path / "both" / "scores.h5")
    np.testing.assert_allclose(both.logits, 0.25 * own.logits + 0.75 * theirs.logits, atol=1e-5)
    ended = evaluate("alone", "ckpt_path=other.pkl", f"data.path={jhmdb_like}")
    assert json.loads((tmp_path / "alone" / "metrics.json").read_text())["test"]["top1"] == 100, ended.stderr
    assert compute_metrics(both)["top1"] == 100
    for overrides, sentence in (
        (["ckpt_path=other.pkl"], "does not record its clips' data file; give data.path="),
        (
            [f"ckpt_path=[{checkpoint},other.pkl]", "weights=auto"],
            "other.pkl has one split; give its val scores",
        ),
    ):
        assert sentence in evaluate("wrong", *overrides).stderr


def test_one_row_is_not_given_to_clips_of_two_files(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(csv(range(6)))
    twice = [f"{file}/{name}" for file in "ab" for name in NAMES]
    known = Scores(twice, np.tile(KNOWN.labels, 2), np.zeros((12, 3), np.float32), KNOWN.classes)
    with pytest.raises(UserError, match=r"has one row for both a/clip0 and b/clip0; name its rows by file and clip"):
        read_foreign(tmp_path / "x.csv", known)
