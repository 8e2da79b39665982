"""The challenge file's body groups, ranked in three ways."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import in_process

from mmn.data.format.classes import Classes, load_classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.evaluation.challenge import prediction_rows
from mmn.evaluation.check_submission import check_submission
from mmn.evaluation.group_columns import group_metrics, group_scores
from mmn.evaluation.logits import softmax
from mmn.evaluation.scores import Scores, compute_metrics, write_scores

MA52 = load_classes("ma52")


def example(clips: int = 60) -> tuple[Scores, Scores]:
    """Scores of actions with little skill, and of groups with much, with classes and clips in another order."""
    rng = np.random.default_rng(0)
    labels, names = rng.integers(0, 52, clips), [f"test{i:04d}" for i in range(clips)]
    actions = Scores(names, labels, (rng.normal(0, 2, (clips, 52)) + np.eye(52)[labels]).astype(np.float32), MA52)
    own = 6 - np.array(MA52.group_of_class)[labels]
    logits = (rng.normal(0, 1, (clips, 7)) + 6 * np.eye(7)[own]).astype(np.float32)
    return actions, Scores(names[::-1], own[::-1], logits[::-1], Classes(MA52.group_names[::-1], [], []))


def ranked(rows: list[list[str]]) -> np.ndarray:
    return np.array(rows[1:])[:, -5:].astype(int)


def test_groups_are_ranked_by_the_sum_of_their_actions_or_by_their_network() -> None:
    actions, network = example()
    of_class = np.array(MA52.group_of_class)
    sums = np.stack([softmax(actions.logits)[:, of_class == group].sum(axis=1) for group in range(7)], axis=1)
    rows = prediction_rows(actions, group_scores(actions, "marginal"))
    assert np.array_equal(ranked(rows), np.argsort(-sums, axis=1)[:, :5])
    rows = prediction_rows(actions, group_scores(actions, "network", network))
    assert np.array_equal(ranked(rows), np.argsort(-network.logits[::-1, ::-1], axis=1)[:, :5])
    assert [row[:6] for row in rows] == [row[:6] for row in prediction_rows(actions)]


def test_each_way_is_scored_as_in_the_challenge() -> None:
    actions, network = example()
    found, known = group_metrics(actions, network), compute_metrics(actions)
    assert found["action"] == {name: pytest.approx(known[name]) for name in found["action"]}
    assert found["network"]["body_f1_micro"] == compute_metrics(network)["top1"]
    assert found["network"]["f1_mean"] > max(found["action"]["f1_mean"], found["marginal"]["f1_mean"])
    assert list(group_metrics(actions)) == ["action", "marginal"]
    assert group_metrics(network) == {}


def test_evaluation_writes_and_scores_ranked_groups(small: SkeletonData, tmp_path: Path) -> None:
    actions, network = example()
    for name, scores in (("actions", actions), ("network", network)):
        write_scores(tmp_path / f"{name}.h5", scores)
    both = ["ckpt_path=[actions.h5,network.h5]", "fusion=hierarchy", "hydra.run.dir=out"]
    ended = in_process("eval.py", *both, "groups=network", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "body F1 macro of the challenge file: groups=action " in ended.stdout
    with (tmp_path / "out" / "prediction.csv").open() as file:
        bodies = ranked(list(csv.reader(file)))
    assert np.array_equal(bodies[:, 0], network.logits[::-1, ::-1].argmax(axis=1))
    analysis = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert list(analysis["group_columns"]) == ["action", "marginal", "network"]
    clips = Clips.from_arrays([np.zeros((2, 15, 2))] * 60, [-1] * 60, actions.names)
    write_data(tmp_path / "x.h5", SkeletonData("x", "x", small.layout, MA52, {"test": clips}))
    data = read_data(tmp_path / "x.h5")
    assert check_submission(tmp_path / "out" / "prediction.zip", data, own_groups=True) == []
    assert "belongs to" in check_submission(tmp_path / "out" / "prediction.zip", data)[0]
