"""Routing: a network of body groups sends each clip to the network of its group."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import in_process

from mmn.data.format.classes import Classes
from mmn.data.format.hdf5 import write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.logits import softmax
from mmn.evaluation.route import routed
from mmn.evaluation.scores import Scores, read_scores
from mmn.inference.checkpoint import KEY
from mmn.inference.stream import MMN_TARGET, Stream
from mmn.model.mmn import MMN

ACTIONS = Classes(["nod", "wave", "clap", "sit", "kick"], [0, 1, 1, 2, 2], ["head", "arms", "legs"])
NAMES = [f"clip{i}" for i in range(6)]
CLIPS = Scores(NAMES, np.array([0, 1, 2, 3, 4, -1]), np.zeros((6, 5), np.float32), ACTIONS)


def scores(classes: list[str], seed: int, names: list[str] = NAMES) -> Scores:
    logits = np.random.default_rng(seed).normal(0, 2, (len(names), len(classes))).astype(np.float32)
    return Scores(names, np.full(len(names), -1), logits, Classes(classes, [], []))


GROUPS = scores(["legs", "head", "arms"], 0)
ARMS, LEGS = scores(["clap", "wave"], 1, NAMES[::-1]), scores(["sit", "other", "kick"], 2)


def test_a_groups_probability_is_split_by_its_own_network() -> None:
    total = softmax(routed(CLIPS, [ARMS, GROUPS, LEGS]).logits)
    groups, arms, legs = softmax(GROUPS.logits), softmax(ARMS.logits[::-1].copy()), softmax(LEGS.logits[:, [0, 2]])
    expected = np.stack(
        [groups[:, 1], groups[:, 2] * arms[:, 1], groups[:, 2] * arms[:, 0], groups[:, 0] * legs[:, 0],
         groups[:, 0] * legs[:, 1]], axis=1,
    )  # fmt: skip
    np.testing.assert_allclose(total, expected, atol=1e-6)


def test_the_network_with_the_fewest_classes_is_used() -> None:
    whole = scores(ACTIONS.names, 3)
    both, alone = (routed(CLIPS, [GROUPS, *more]).logits for more in ([whole, ARMS], [whole]))
    np.testing.assert_allclose(both[:, [0, 3, 4]], alone[:, [0, 3, 4]])
    assert not np.allclose(both[:, 1], alone[:, 1])


@pytest.mark.parametrize(
    ("streams", "sentence"),
    [
        ([ARMS, LEGS], "fusion=route needs one network of the groups (head, arms, legs), trained with data.target=gro"),
        ([GROUPS, GROUPS, ARMS], "but 2 are given; all others must be networks of"),
        ([GROUPS, ARMS], "no network knows all 2 actions of group legs; train one with data.classes=[legs]"),
        ([GROUPS, ARMS, scores(["sit"], 4)], "no network knows all 2 actions of group legs"),
        ([GROUPS, ARMS, LEGS, ARMS], "two networks know the actions of group arms equally well; leave one out"),
        (
            [GROUPS, ARMS, scores(["sit", "kick"], 0, NAMES[:4])],
            "the network of sit, kick, … has no scores for clip",
        ),
    ],
)
def test_mismatched_networks_are_refused(streams: list[Scores], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        routed(CLIPS, streams)
    assert sentence in str(error.value)


def untrained(path: Path, data: SkeletonData, data_path: Path, view: View, seed: int) -> str:
    viewed = view.apply(data, "x.h5")
    torch.manual_seed(seed)
    network = MMN(viewed.layout.num_joints, len(viewed.classes.names), num_frames=16, width=16, depth=1)
    stream = Stream(
        Preprocessing(Modality("joint"), 16), viewed.layout, viewed.classes, MMN_TARGET, network.config,
        data.name, str(data_path), view,
    )  # fmt: skip
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, KEY: {"stream": stream.as_dict(), "chosen": {"temperature": 3.0}}}, path)
    return str(path)


def test_each_checkpoint_scores_every_clip_for_its_own_classes(small: SkeletonData, tmp_path: Path) -> None:
    names = small.classes.names
    data = replace(small, classes=Classes(names, [0] * 5 + [1] * 8 + [2], ["arms", "legs", "rest"]))
    write_data(tmp_path / "x.h5", data)
    views = {
        "groups": View(target="group"),
        "arms": View(classes=["arms"], joints=["left_arm", "neck"], folds=2, fold=0),
        "legs": View(classes=["legs"], rest="other"),
    }
    paths = {
        name: untrained(tmp_path / f"{name}.ckpt", data, tmp_path / "x.h5", view, seed)
        for seed, (name, view) in enumerate(views.items())
    }

    def evaluate(*overrides: str):
        return in_process("eval.py", *overrides, "hydra.run.dir=out", cwd=tmp_path)

    every = f"ckpt_path=[{','.join(paths.values())}]"
    ended = evaluate(every, "fusion=route", "temperature=auto")
    assert ended.returncode == 0, ended.stderr
    found = read_scores(tmp_path / "out" / "scores.h5")
    test = data.splits["test"]
    assert (found.names, found.labels.tolist(), found.classes.names) == (test.names, test.labels.tolist(), names)
    assert found.classes.group_names == ["arms", "legs", "rest"]
    about = json.loads((tmp_path / "out" / "metrics.json").read_text())["about"]
    assert (about["fusion"], len(about["streams"])) == ("route", 3)
    assert about["temperature"] != 3.0
    chances = softmax(found.logits)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    for overrides, sentence in (
        ([f"ckpt_path=[{paths['arms']},{paths['legs']}]", "fusion=route"], "needs a network of groups, but there is"),
        (["ckpt_path=[out/scores.h5,x.ckpt]", "fusion=route"], "give checkpoints, not out/scores.h5."),
    ):
        ended = evaluate(*overrides)
        assert sentence in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1
