"""Networks trained on a view are evaluated, reported and animated on it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Ended, in_process, train

from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.format.skeletons import SkeletonData
from mmn.data.view.view import View
from mmn.errors import UserError
from mmn.evaluation.scores import read_scores
from mmn.inference.checkpoint import load_checkpoint, load_network
from mmn.inference.prepare import prepare
from mmn.reporting.result import load_result

VIEW = ["data.joints=[left_arm,neck]", "data.classes=[wave,sit,clap]", "data.rest=other", "data.folds=2", "data.fold=1"]


@pytest.fixture(scope="module")
def viewed(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on three classes and the rest, the left arm and neck, and one of two folds."""
    folder = tmp_path_factory.mktemp("viewed") / "run"
    ended = train(folder, jhmdb_like, "trainer.max_epochs=1", *VIEW, "data.min_clips=2")
    assert ended.returncode == 0, ended.stderr
    return folder


def evaluate(viewed: Path, folder: Path, *overrides: str) -> Ended:
    path = f"ckpt_path={viewed / 'checkpoints' / 'last.ckpt'}"
    return in_process("eval.py", path, f"hydra.run.dir={folder}", *overrides, cwd=folder.parent)


def test_a_checkpoint_records_its_view(viewed: Path) -> None:
    stream = load_checkpoint(viewed / "checkpoints" / "last.ckpt").stream
    assert stream.classes.names == ["clap", "sit", "wave", "other"]
    assert stream.layout.joints == ["neck", "left_shoulder", "left_elbow", "left_wrist"]
    assert stream.view == View(joints=["left_arm", "neck"], classes=["clap", "sit", "wave"], rest="other", folds=2,
                               fold=1)  # fmt: skip


def test_the_training_file_is_evaluated_on_the_fold(viewed: Path, tmp_path: Path) -> None:
    for split in ("val", "test"):
        ended = evaluate(viewed, tmp_path / split, f"split={split}")
        assert ended.returncode == 0, ended.stderr
        found, trained = (read_scores(path) for path in (tmp_path / split / "scores.h5", viewed / f"scores_{split}.h5"))
        assert (found.names, found.labels.tolist()) == (trained.names, trained.labels.tolist())
        metrics = [json.loads((folder / "metrics.json").read_text())[split] for folder in (tmp_path / split, viewed)]
        assert metrics[0] == metrics[1]


def test_another_file_gets_the_same_view_unless_it_already_matches(
    viewed: Path, jhmdb_like: Path, small, tmp_path
) -> None:
    (tmp_path / "other.h5").write_bytes(jhmdb_like.read_bytes())
    stream = load_checkpoint(viewed / "checkpoints" / "last.ckpt").stream
    write_data(tmp_path / "cut.h5", stream.view.elsewhere().apply(small, "x"))
    logits = []
    for name in ("other", "cut"):
        ended = evaluate(viewed, tmp_path / name, f"data.path={tmp_path / name}.h5")
        assert ended.returncode == 0, ended.stderr
        logits.append(read_scores(tmp_path / name / "scores.h5").logits)
    assert np.array_equal(*logits)
    views = [stream.view_of(tmp_path / f"{name}.h5")[1] for name in ("other", "cut")]
    assert views == [stream.view.elsewhere(), View()]
    np.testing.assert_allclose(logits[0], read_scores(viewed / "scores_test.h5").logits, atol=1e-6)
    ended = evaluate(viewed, tmp_path / "val", f"data.path={tmp_path / 'other.h5'}", "split=val")
    assert json.loads((tmp_path / "val" / "metrics.json").read_text())["val"]["clips"] == 28, ended.stderr


def test_a_file_without_the_classes_or_joints_is_refused(viewed: Path, small: SkeletonData, tmp_path: Path) -> None:
    for name, data, message in (
        ("classes", View(classes=["wave", "run", "jump"]).apply(small, "x"), "data.classes names 'clap', which is no"),
        ("joints", View(joints=["-neck"]).apply(small, "x"), "data.joints names 'neck', which is not a part or joint"),
    ):
        write_data(tmp_path / f"{name}.h5", data)
        ended = evaluate(viewed, tmp_path / name, f"data.path={tmp_path / name}.h5")
        assert ended.returncode == 1
        assert message in ended.stderr


def test_reports_and_animations_use_the_view(viewed: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    for split, clips in (("val", 28), ("test", 28)):
        result = load_result(viewed, split)
        assert (result.data.layout.num_joints, len(result.clips)) == (4, clips)
    last = viewed / "checkpoints" / "last.ckpt"
    name = read_data(jhmdb_like).splits["test"].names[0]
    gif = tmp_path / "x.gif"
    ended = in_process(
        "mmn", "animate", str(jhmdb_like), f"test/{name}", str(gif), "--checkpoint", str(last), cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert gif.read_bytes().startswith(b"GIF")


def test_scores_contain_the_groups_of_their_clips(jhmdb_like: Path, small: SkeletonData, tmp_path: Path) -> None:
    test = replace(small.splits["test"], groups=[f"s{i % 3}" for i in range(28)])
    write_data(tmp_path / "x.h5", replace(small, splits={**small.splits, "test": test}))
    ended = train(tmp_path / "run", tmp_path / "x.h5", "trainer.max_epochs=1")
    assert ended.returncode == 0, ended.stderr
    assert read_scores(tmp_path / "run" / "scores_test.h5").groups == test.groups
    assert read_scores(tmp_path / "run" / "scores_val.h5").groups is None


def test_older_checkpoints_without_a_view_use_everything(viewed: Path, tmp_path: Path) -> None:
    content = torch.load(viewed / "checkpoints" / "last.ckpt", weights_only=True)
    del content["mmn"]["stream"]["view"]
    torch.save(content, tmp_path / "old.ckpt")
    assert load_checkpoint(tmp_path / "old.ckpt").stream.view == View()


def test_clips_of_the_whole_skeleton_are_prepared_for_a_network_of_some_joints(viewed: Path, small) -> None:
    network = load_network(viewed / "checkpoints" / "last.ckpt")
    whole = [small.splits["test"].clip(i) for i in range(3)]
    part = [clip[:, [0, 4, 8, 12]] for clip in whole]
    clips, expected = (prepare(whole, "jhmdb", network=network), prepare(part, network=network))
    assert torch.equal(clips[0], expected[0])
    with pytest.raises(UserError, match="the clips' layout has no neck, which the network needs"):
        prepare(whole, View(joints=["-neck"]).apply(small, "x").layout, network=network)
