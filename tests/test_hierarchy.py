"""Fusion of a network of actions with one of body groups."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import in_process

from mmn.data.format.classes import Classes
from mmn.errors import UserError
from mmn.evaluation.hierarchy import WEIGHTS, actions_and_groups, find_weight, with_groups
from mmn.evaluation.logits import softmax
from mmn.evaluation.scores import Scores, compute_metrics, read_scores, write_scores

ACTIONS = Classes(["nod", "wave", "clap"], [1, 0, 0], ["arms", "head"])


def example(clips: int = 40) -> tuple[Scores, Scores]:
    """Scores of actions with little skill, and of groups with much, in another order of clips and groups."""
    rng = np.random.default_rng(0)
    labels, names = rng.integers(0, 3, clips), [f"clip{i}" for i in range(clips)]
    actions = Scores(names, labels, (rng.normal(0, 1, (clips, 3)) + np.eye(3)[labels]).astype(np.float32), ACTIONS)
    own = np.array([0, 1, 1])[labels]  # head first
    logits = rng.normal(0, 1, (clips, 2)) + 4 * np.eye(2)[own]
    groups = Scores(names, own, logits.astype(np.float32), Classes(["head", "arms"], [], []))
    back = np.arange(clips)[::-1]
    return actions, replace(groups, names=names[::-1], labels=own[back], logits=groups.logits[back])


def test_the_probability_of_a_group_is_split_among_its_actions() -> None:
    actions, groups = example()
    total = softmax(with_groups(actions, groups, None).logits)
    chances, of_group = softmax(actions.logits), softmax(groups.logits[::-1].copy())
    arms = of_group[:, 1:] * chances[:, 1:] / chances[:, 1:].sum(axis=1, keepdims=True)
    expected = np.concatenate([of_group[:, :1], arms], axis=1)
    np.testing.assert_allclose(total, expected, atol=1e-6)


def test_a_weighted_group_is_added_to_the_logarithm() -> None:
    actions, groups = example()
    logs, of_group = np.log(softmax(actions.logits)), np.log(softmax(groups.logits[::-1].copy()))
    np.testing.assert_allclose(with_groups(actions, groups, 0.5).logits, logs + 0.5 * of_group[:, [0, 1, 1]], atol=1e-5)
    assert compute_metrics(with_groups(actions, groups, 0.0))["top1"] == compute_metrics(actions)["top1"]
    found = find_weight(actions, groups)
    losses = [compute_metrics(with_groups(actions, groups, weight))["loss"] for weight in WEIGHTS]
    assert losses[WEIGHTS.index(found)] == min(losses) < losses[0]


def test_streams_other_than_actions_and_groups_are_refused() -> None:
    actions, groups = example()
    assert actions_and_groups([groups, actions]) == (actions, groups)
    for streams in ([actions], [actions, actions], [groups, groups]):
        with pytest.raises(UserError, match="fusion=hierarchy needs two streams"):
            actions_and_groups(streams)
    with pytest.raises(UserError, match="has no scores for clip clip39"):
        with_groups(actions, replace(groups, names=["x", *groups.names[1:]]), 1.0)
    with pytest.raises(UserError, match="needs labelled clips to fit on"):
        find_weight(replace(actions, labels=np.full(40, -1)), groups)


def test_evaluation_fuses_the_two_streams_and_records_how(tmp_path: Path) -> None:
    actions, groups = example()
    for name, scores in (("actions", actions), ("groups", groups)):
        write_scores(tmp_path / f"{name}.h5", scores)

    def evaluate(*overrides: str):
        paths = f"ckpt_path=[{tmp_path / 'actions.h5'},{tmp_path / 'groups.h5'}]"
        return in_process("eval.py", paths, f"hydra.run.dir={tmp_path / 'eval'}", *overrides, cwd=tmp_path)

    ended = evaluate("fusion=hierarchy", "group_weight=0.5")
    assert ended.returncode == 0, ended.stderr
    about = json.loads((tmp_path / "eval" / "metrics.json").read_text())["about"]
    assert (about["fusion"], about["group_weight"]) == ("hierarchy", 0.5)
    assert np.array_equal(read_scores(tmp_path / "eval" / "scores.h5").logits, with_groups(actions, groups, 0.5).logits)
    assert "with the network of groups, weight 0.5: Top-1 " in ended.stdout
    for overrides, sentence in (
        (["fusion=product"], "fusion is product; it must be sum, hierarchy or route"),
        (["group_weight=1"], "group_weight=1 is only for fusion=hierarchy"),
        (["fusion=hierarchy", "weights=[1,1]"], "weights are only for fusion=sum"),
        (["fusion=hierarchy", "group_weight=-1"], "group_weight is -1; it must be a number of at least 0"),
        (["fusion=hierarchy", "group_weight=auto", "split=val"], "group_weight=auto is fitted to the val split"),
    ):
        assert sentence in evaluate(*overrides).stderr
