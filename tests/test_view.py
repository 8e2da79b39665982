"""Views: a view of a file is equivalent to a file with only that content."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import train

from mmn.data.format.classes import Classes
from mmn.data.format.clips import Clips
from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.layout import Layout
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.view import View, differences
from mmn.errors import UserError


@pytest.fixture(scope="module")
def grouped(small: SkeletonData) -> SkeletonData:
    """The small data set with body groups: the first four classes are arms, the next nine legs, the last all."""
    groups = [0] * 4 + [1] * 9 + [2]
    return replace(small, classes=Classes(small.classes.names, groups, ["arms", "legs", "all"]))


def labels(data: SkeletonData, split: str = "train") -> list[str]:
    return [data.classes.names[label] if label >= 0 else "?" for label in data.splits[split].labels]


def test_only_the_selected_classes_are_kept(grouped: SkeletonData) -> None:
    view = View(classes=["wave", "arms", 5]).apply(grouped, "x")
    assert view.classes == Classes(["catch", "clap", "golf", "jump", "pour", "wave"], [0, 0, 0, 0, 1, 2],
                                   ["arms", "legs", "all"])  # fmt: skip
    assert [labels(view, split).count("pour") for split in view.splits] == [4, 2, 2]
    whole = dict(zip(grouped.splits["test"].names, range(28), strict=True))
    for index, name in enumerate(view.splits["test"].names):
        before = whole[name]
        assert np.array_equal(view.splits["test"].clip(index), grouped.splits["test"].clip(before))
        assert labels(view, "test")[index] == labels(grouped, "test")[before]
    assert View(classes="legs").apply(grouped, "x").classes.group_names == ["legs"]


def test_the_rest_becomes_a_class_drawn_by_seed(grouped: SkeletonData) -> None:
    view = View(classes=["catch", "wave"], rest="other", rest_ratio=2.5)
    data = view.apply(grouped, "x")
    assert data.classes == Classes(["catch", "wave", "other"], [0, 1, 2], ["arms", "all", "other"])
    assert (labels(data).count("other"), labels(data, "test").count("other")) == (10, 24)
    assert data.splits["train"].names == view.apply(grouped, "x").splits["train"].names
    assert data.splits["train"].names != replace(view, draw_seed=2).apply(grouped, "x").splits["train"].names
    assert labels(replace(view, rest_ratio=None).apply(grouped, "x")).count("other") == 48


def test_classes_are_merged_by_name_index_or_group(grouped: SkeletonData) -> None:
    view = View(merge={"hit": [2, "wave"], "arm": ["catch", 1]}).apply(grouped, "x")
    assert view.classes.names[:4] == ["arm", "hit", "jump", "pick"]
    assert view.classes.group_of_class[:3] == [
        0,
        2,
        0,
    ]  # golf and wave are in different groups: the merged class gets its own
    assert view.classes.group_names == ["arms", "legs", "hit"]
    assert labels(view).count("hit") == 8
    assert View(merge={"all arms": ["arms"]}, classes=["all arms"]).apply(grouped, "x").classes.names == ["all arms"]
    assert View(merge={"wave": ["wave", "sit"]}).apply(grouped, "x").classes.names.count("wave") == 1


def test_body_groups_become_the_classes(grouped: SkeletonData) -> None:
    view = View(target="group").apply(grouped, "x")
    assert view.classes == Classes(["arms", "legs", "all"], [], [])
    assert [labels(view).count(name) for name in view.classes.names] == [16, 36, 4]


def test_merged_classes_inherit_their_mirror_images() -> None:
    names = ["left wave", "right wave", "left nod", "right nod", "sit"]
    layout, clips = Layout(["a"], [], {"all": [0]}, 0, []), Clips.from_arrays([np.zeros((1, 1, 2))] * 5, list(range(5)))
    data = SkeletonData("x", "", layout, Classes(names, [], []), {"train": clips})

    def mirrored(**view) -> list[int]:
        return View(**view).apply(data, "x").classes.mirrored

    assert mirrored(classes=["left wave", "right wave", "left nod"]) == [1, 0, -1]
    assert mirrored(merge={"wave": [0, 1]}) == [0, 2, 1, 3]
    assert mirrored(merge={"left": [0, 2], "the other": [1, 3]}) == [1, 0, 2]
    assert mirrored(classes=["left wave", "sit"], rest="other") == [2, 1, -1]


def test_clips_of_unknown_class_are_kept(grouped: SkeletonData) -> None:
    unknown = replace(grouped.splits["test"], labels=np.full(28, -1))
    data = replace(grouped, splits={**grouped.splits, "test": unknown})
    for view in (View(classes=["arms"]), View(target="group"), View(classes=["wave"], rest="other")):
        assert labels(view.apply(data, "x"), "test") == ["?"] * 28


def uneven() -> SkeletonData:
    layout = Layout(["a"], [], {"all": [0]}, 0, [])
    of = [0] * 40 + [1] * 20 + [2] * 3
    clips = Clips.from_arrays([np.zeros((1, 1, 2))] * len(of), of)
    return SkeletonData("x", "", layout, Classes(["many", "some", "few"], [], []), {"train": clips, "test": clips})


def test_larger_subsets_contain_smaller_ones_and_every_class() -> None:
    drawn = [View(train_fraction=f).apply(uneven(), "x").splits["train"] for f in (0.01, 0.1, 0.3, 1.0)]
    assert [np.bincount(d.labels).tolist() for d in drawn] == [[1, 1, 1], [4, 2, 1], [12, 6, 1], [40, 20, 3]]
    for small, large in itertools.pairwise(drawn):
        assert set(small.names) < set(large.names)
    tail = View(clips_per_class=30, long_tail=0.01).apply(uneven(), "x").splits["train"]
    assert np.bincount(tail.labels).tolist() == [30, 3, 1]  # 30, 3 and 0.3
    few = View(clips_per_class=5).apply(uneven(), "x").splits
    assert np.bincount(few["train"].labels).tolist() == [5, 5, 3]
    assert len(few["test"]) == 63
    other = View(clips_per_class=5, draw_seed=2).apply(uneven(), "x").splits
    assert other["train"].names != few["train"].names


def test_classes_with_few_clips_are_left_out_here_and_in_other_files() -> None:
    view = View(min_clips=20)
    data = view.apply(uneven(), "x")
    assert data.classes.names == ["many", "some"]
    assert differences(uneven(), data) == ["2 classes of 3; gone are few", "clips: train 60 of 63, test 60 of 63"]
    assert view.settled(data) == View(classes=["many", "some"])
    gathered = View(min_clips=20, rest="other").apply(uneven(), "x")
    assert gathered.classes.names == ["many", "some", "other"]
    assert View(min_clips=20, rest="other").settled(gathered).elsewhere().apply(uneven(), "x").classes == (
        gathered.classes
    )


def test_a_view_is_described(grouped: SkeletonData) -> None:
    assert differences(grouped, View().apply(grouped, "x")) == []
    assert differences(grouped, View(joints=["left_arm"], target="group").apply(grouped, "x")) == [
        "3 of 15 joints; the centre is left_shoulder, as belly is left out",
        "3 classes of 14; new are arms, legs, all; gone are "
        + ", ".join(grouped.classes.names[:8])
        + ", … (14 in all)",
    ]


VIEWS = {
    "joints": View(joints=["left_arm", "-left_elbow", "face"]),
    "classes": View(classes=["wave", "arms"], rest="other", rest_ratio=1),
    "merged": View(merge={"hit": ["wave", 1]}, min_clips=5, joints=["*wrist"]),
    "folds": View(joints=["torso"], folds=2, fold=1, train_fraction=0.6, train_splits=["train", "val"]),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_the_same_in_memory_lazily_read_and_written(name: str, grouped, tmp_path: Path) -> None:
    masked = {s: replace(c, filled=np.random.default_rng(1).random(c.keypoints.shape[:2]) < 0.1)
              for s, c in grouped.splits.items()}  # fmt: skip
    write_data(tmp_path / "whole.h5", replace(grouped, splits=masked))
    in_memory, in_file = (VIEWS[name].apply(read_data(tmp_path / "whole.h5", memory_limit=m), "x") for m in (1e9, 0))
    write_data(tmp_path / "view.h5", in_file)
    written = read_data(tmp_path / "view.h5")
    assert (written.layout, written.classes) == (in_memory.layout, in_memory.classes)
    for split, clips in in_memory.splits.items():
        other = written.splits[split]
        assert (clips.names, clips.labels.tolist()) == (other.names, other.labels.tolist())
        assert np.array_equal(clips.keypoints, other.keypoints)
        assert np.array_equal(clips.filled, other.filled)


def test_training_on_a_view_gives_the_same_weights_as_on_an_equivalent_file(
    grouped: SkeletonData, tmp_path: Path
) -> None:
    """The equivalent file is made by hand: right arm and neck; catch, clap and wave."""
    joints, names = [0, 3, 7, 11], ["catch", "clap", "wave"]
    layout = Layout(["neck", "right_shoulder", "right_elbow", "right_wrist"], [(1, 0), (2, 1), (3, 2)],
                    {"right_arm": [1, 2, 3], "torso": [0]}, 0, [])  # fmt: skip
    splits = {}
    for split, clips in grouped.splits.items():
        chosen = [i for i, label in enumerate(clips.labels) if grouped.classes.names[label] in names]
        splits[split] = Clips.from_arrays(
            [clips.clip(i)[:, joints] for i in chosen],
            [names.index(grouped.classes.names[clips.labels[i]]) for i in chosen],
            [clips.names[i] for i in chosen],
        )
    write_data(tmp_path / "whole.h5", grouped)
    write_data(tmp_path / "part.h5", SkeletonData("x", "", layout, Classes(names, [0, 0, 1], ["arms", "all"]), splits))
    view = ["data.joints=[right_arm,neck]", "data.classes=[wave,catch,clap]"]
    options = ["trainer.max_epochs=1", "data.batch_size=4", "modality=bone"]
    states = []
    for name, overrides in (("whole", view), ("part", [])):
        ended = train(tmp_path / name, tmp_path / f"{name}.h5", *options, *overrides)
        assert ended.returncode == 0, ended.stderr
        states.append(torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"])
    assert "4 of 15 joints; the centre is neck, as belly is left out" in (tmp_path / "whole" / "train.log").read_text()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


WRONG = [
    (
        {"joints": ["left_arms"]},
        r"data.joints names 'left_arms', which is not a part or joint of x.h5; did you mean left_",
    ),
    ({"joints": ["tail"]}, "it has right_arm, left_arm, right_leg, left_leg, torso, neck, belly, face, … "),
    ({"joints": ["*tail*"]}, r"data.joints=\[\*tail\*\] leaves no joint of x.h5"),
    ({"joints": ["face", "-face"]}, "leaves no joint"),
    ({"joints": []}, r"data.joints is \[\]; give a list of names"),
    ({"joints": {"a": 1}}, "data.joints is {'a': 1}; give a list"),
    (
        {"classes": ["waves"]},
        "data.classes names 'waves', which is not a class or body group of x.h5; did you mean wave",
    ),
    ({"classes": [14]}, "data.classes names 14, which is not a class"),
    ({"classes": [True]}, "data.classes names True, which is not a class"),
    ({"classes": []}, "data.classes is"),
    ({"rest": "other"}, "data.rest=other would be empty"),
    ({"classes": ["wave"], "rest": "wave"}, "data.rest=wave is the name of a class that is kept"),
    ({"classes": ["arms", "legs", "all"], "rest": "other"}, "data.rest=other is empty"),
    ({"rest_ratio": 1}, "data.rest_ratio=1 limits data.rest, which is not set"),
    ({"classes": ["wave"], "rest": "other", "rest_ratio": 0}, "data.rest_ratio is 0; use a number above 0"),
    ({"merge": {"a": ["wave"], "b": ["wave", "sit"]}}, "data.merge has wave in both a and b"),
    ({"merge": {"sit": ["wave", "jump"]}}, "data.merge makes a class sit, which x.h5 already has"),
    ({"merge": {"a": []}}, "data.merge has no classes to merge as a"),
    ({"merge": {"a": "wave"}}, "give a table of new class"),
    ({"merge": ["wave"]}, r"data.merge is \['wave'\]; give a table"),
    ({"merge": {"a": ["tail"]}}, "data.merge names 'tail'"),
    ({"target": "body"}, "data.target is body; use action or group"),
    ({"min_clips": 5}, "data.classes and data.min_clips leave no class of x.h5"),
    ({"min_clips": 0.5}, "data.min_clips is 0.5; use a whole number"),
    ({"train_fraction": 0}, "data.train_fraction is 0; use a number above 0 and at most 1"),
    ({"train_fraction": 1.5}, "data.train_fraction is 1.5"),
    ({"clips_per_class": 0}, "data.clips_per_class is 0"),
    ({"clips_per_class": 5, "long_tail": 2}, "data.long_tail is 2; use a number above 0 and at most 1"),
    ({"long_tail": 0.1}, "data.long_tail needs data.clips_per_class"),
    ({"clips_per_class": "five"}, "data.clips_per_class is five"),
]


@pytest.mark.parametrize(("view", "message"), WRONG)
def test_invalid_views_are_refused_with_a_one_line_message(view, message: str, grouped: SkeletonData) -> None:
    with pytest.raises(UserError, match=message) as error:
        View(**view).apply(grouped, "x.h5")
    assert "\n" not in str(error.value)


def test_views_of_what_a_file_lacks_are_refused(small: SkeletonData) -> None:
    with pytest.raises(UserError, match=r"data.target=group needs body groups, but x.h5 has none"):
        View(target="group").apply(small, "x.h5")
    no_train = replace(small, splits={"test": small.splits["test"]})
    for view in (View(folds=2, fold=0), View(train_fraction=0.5), View(clips_per_class=1)):
        with pytest.raises(UserError, match=r"x.h5 has no training clips"):
            view.apply(no_train, "x.h5")
    with pytest.raises(UserError, match=r"data.min_clips counts training clips, but x.h5 has none"):
        View(min_clips=2).apply(no_train, "x.h5")
