"""Metrics agree with scikit-learn, and result files have the documented content."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from conftest import reference
from sklearn.metrics import accuracy_score, f1_score, top_k_accuracy_score

from mmn.data.format.classes import Classes, load_classes
from mmn.errors import UserError
from mmn.evaluation.action_metrics import ActionMetrics
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.logits import top_classes
from mmn.evaluation.scores import Scores, Source, combine, compute_metrics, read_scores, write_scores
from mmn.files import write_json

MA52 = load_classes("ma52")


def by_scikit_learn(labels: np.ndarray, logits: np.ndarray, classes: Classes) -> dict[str, float]:
    predicted = logits.argmax(axis=1)
    groups = np.array(classes.group_of_class)
    metrics = {
        "top1": accuracy_score(labels, predicted),
        "top5": top_k_accuracy_score(labels, logits, k=5, labels=np.arange(logits.shape[1])),
        "action_f1_macro": f1_score(labels, predicted, average="macro"),
        "action_f1_micro": f1_score(labels, predicted, average="micro"),
        "body_f1_macro": f1_score(groups[labels], groups[predicted], average="macro"),
        "body_f1_micro": f1_score(groups[labels], groups[predicted], average="micro"),
    }
    metrics["f1_mean"] = sum(list(metrics.values())[2:]) / 4
    return {name: 100 * value for name, value in metrics.items()}


@pytest.mark.parametrize("clips", [1, 3, 50, 2000])
def test_metrics_match_scikit_learn(clips: int) -> None:
    rng = np.random.default_rng(clips)
    labels, logits = rng.integers(0, 52, clips), rng.normal(size=(clips, 52)).astype(np.float32)
    logits[np.arange(clips), labels] += 1.5
    metrics = ActionMetrics(MA52)
    for part in np.array_split(np.arange(clips), 4):
        metrics.update(torch.from_numpy(logits[part]), torch.from_numpy(labels[part]))
    assert metrics.compute() == pytest.approx(by_scikit_learn(labels, logits, MA52), abs=1e-9)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("skateformer_joint_val.txt", (68.9329, 75.9578, 47.3060, 59.1837, 62.8451)),
        ("ctrgcn_joint_val.txt", (68.6929, 75.9578, 46.0548, 59.3269, 62.5081)),
    ],
)
def test_published_predictions_give_the_published_f1_mean(file: str, expected: tuple[float, ...]) -> None:
    predicted, true = np.loadtxt(reference(f"data/ma52_predictions/{file}"), delimiter=",", dtype=np.int64).T
    metrics = ActionMetrics(MA52)
    metrics.update(torch.nn.functional.one_hot(torch.from_numpy(predicted), 52).float(), torch.from_numpy(true))
    result = metrics.compute()
    names = ("body_f1_macro", "body_f1_micro", "action_f1_macro", "action_f1_micro", "f1_mean")
    assert [result[name] for name in names] == pytest.approx(expected, abs=1e-4)


def test_clips_without_a_label_do_not_count() -> None:
    logits = torch.eye(52)[:4]
    known, all_clips = ActionMetrics(MA52), ActionMetrics(MA52)
    known.update(logits[:2], torch.tensor([0, 5]))
    all_clips.update(logits, torch.tensor([0, 5, -1, -1]))
    assert known.compute() == all_clips.compute()
    none = ActionMetrics(MA52)
    none.update(logits, torch.full((4,), -1))
    assert np.isnan(list(none.compute().values())).all()


def test_without_groups_there_are_no_body_metrics_and_few_classes_have_a_top5() -> None:
    metrics = ActionMetrics(Classes(["a", "b", "c"], [], []))
    metrics.update(torch.eye(3), torch.tensor([0, 1, 1]))
    assert set(metrics.compute()) == {"top1", "top5", "action_f1_macro", "action_f1_micro"}
    assert metrics.compute()["top5"] == 100.0


def scores(seed: int = 0, clips: int = 9, labelled: bool = True) -> Scores:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 52, clips) if labelled else np.full(clips, -1)
    logits = rng.normal(size=(clips, 52)).astype(np.float32)
    return Scores([f"test{i:04d}" for i in range(clips)], labels, logits, MA52)


def test_metrics_of_unlabelled_clips_are_only_their_number() -> None:
    assert compute_metrics(scores(labelled=False)) == {"clips": 0}


def test_streams_are_matched_by_name() -> None:
    a = scores()
    order = np.random.default_rng(1).permutation(9)
    b = Scores([a.names[i] for i in order], a.labels[order], a.logits[order] * 3, MA52)
    np.testing.assert_allclose(combine([a, b], [0.5, 0.5]).logits, a.logits * 2, rtol=1e-6)
    with pytest.raises(UserError, match="different clips"):
        combine([a, scores(clips=8)], [0.5, 0.5])
    with pytest.raises(UserError, match="different labels"):
        combine([a, Scores(a.names, a.labels + 1, a.logits, MA52)], [0.5, 0.5])
    with pytest.raises(UserError, match="2 streams but 3 weights"):
        combine([a, a], [1, 1, 1])


def test_weights_are_divided_by_their_sum() -> None:
    a, b = scores(), replace(scores(), logits=scores(seed=1).logits)
    share = combine([a, b], [0.6, 0.4])
    np.testing.assert_array_equal(combine([a, b], [6, 4]).logits, share.logits)
    np.testing.assert_allclose(share.logits, 0.6 * a.logits + 0.4 * b.logits, atol=1e-6)
    np.testing.assert_allclose(combine([a, b]).logits, (a.logits + b.logits) / 2, atol=1e-6)
    chances = [torch.from_numpy(one.logits).double().softmax(dim=1).numpy() for one in (a, b)]
    mixed = torch.from_numpy(combine([a, b], [3, 1], "probabilities").logits).double().softmax(dim=1)
    np.testing.assert_allclose(mixed, 0.75 * chances[0] + 0.25 * chances[1], atol=1e-6)
    for weights in ([0, 0], [2, -1], [float("nan"), 1], "auto"):
        with pytest.raises(UserError, match="weights="):
            combine([a, b], weights)


def test_ties_go_to_the_lower_index() -> None:
    tied = torch.zeros(1, 300)
    tied[0, [7, 250]] = 1.0
    assert top_classes(tied, 4).tolist() == [[7, 250, 0, 1]]


def test_the_challenge_file_has_five_actions_and_their_groups(tmp_path: Path) -> None:
    write_predictions(tmp_path, scores(labelled=False))
    rows = list(csv.DictReader((tmp_path / "prediction.csv").open()))
    assert list(rows[0]) == [
        "vid", *(f"action_pred_{i}" for i in range(1, 6)), *(f"body_pred_{i}" for i in range(1, 6))
    ]  # fmt: skip
    assert [row["vid"] for row in rows] == [f"test{i:04d}.mp4" for i in range(9)]
    best = np.argsort(-scores(labelled=False).logits, axis=1)[:, :5]
    for row, actions in zip(rows, best.tolist(), strict=True):
        assert [int(row[f"action_pred_{i}"]) for i in range(1, 6)] == actions
        assert [int(row[f"body_pred_{i}"]) for i in range(1, 6)] == [MA52.group_of_class[a] for a in actions]
    with zipfile.ZipFile(tmp_path / "prediction.zip") as archive:
        assert archive.namelist() == ["prediction.csv"]
        assert list(csv.DictReader(io.StringIO(archive.read("prediction.csv").decode()))) == rows


def test_equal_results_are_equal_files(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        write_predictions(folder, scores())
        write_json(folder / "metrics.json", {"test": compute_metrics(scores())})
    for name in ("prediction.csv", "prediction.zip", "metrics.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_scores_hold_names_labels_logits_and_classes(tmp_path: Path) -> None:
    source = Source(("j.ckpt", "b.ckpt"), "ma52.h5", "test")
    write_scores(tmp_path / "scores.h5", replace(scores(), source=source))
    assert read_scores(tmp_path / "scores.h5").source == source
    with h5py.File(tmp_path / "scores.h5") as file:
        assert file["names"].asstr()[:].tolist() == scores().names
        assert file["class_names"].asstr()[:].tolist() == MA52.names
        np.testing.assert_array_equal(file["labels"], scores().labels)
        np.testing.assert_array_equal(file["logits"], scores().logits)
        assert file.attrs["split"] == "test"


def test_metrics_json_has_the_documented_metrics(tmp_path: Path) -> None:
    write_json(tmp_path / "metrics.json", {"test": compute_metrics(scores())})
    content = json.loads((tmp_path / "metrics.json").read_text())["test"]
    four = ["action_f1_macro", "action_f1_micro", "body_f1_macro", "body_f1_micro"]
    assert list(content) == ["clips", "loss", "top1", "top5", *four, "f1_mean"]
