"""Settings of eval.py: applied, or refused in one sentence before anything slow is imported."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import ROOT, Ended, in_process
from conftest import FIXTURES, save_untrained
from hydra import compose, initialize_config_dir

from mmn.data.format.hdf5 import write_data
from mmn.data.format.selection import join, take
from mmn.data.format.skeletons import SkeletonData
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.prepare import prepare
from mmn.engine.evaluation_request import read_request
from mmn.errors import UserError
from mmn.evaluation.scores import read_scores
from mmn.inference.checkpoint import load_network
from mmn.inference.infer import infer


def evaluate(folder: Path, *arguments: str) -> Ended:
    return in_process("eval.py", *arguments, "hydra.run.dir=out", cwd=folder)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "there is nothing to evaluate; give ckpt_path=FILE or ckpt_path=[FILE,FILE]."),
        (["tta.fliip=true"], "evaluation does not read tta.fliip; did you mean tta.flip?"),
        (["+tta.crop=true"], "evaluation does not read tta.crop; eval.py --help shows what it reads."),
        (
            ["trainer.precision=bf16"],
            "does not read trainer.precision; use precision=32 or precision=bf16.",
        ),
        (["model.corrected=true"], "does not read model.corrected; the checkpoint determines the network."),
        (["logger=none"], "evaluation does not read logger; evaluation only writes files."),
        (["debug=fast"], "evaluation does not read debug; evaluation is one pass over a split."),
        (["modality.bone_rule=tree"], "modality.bone_rule needs a choice of modality, but none is made"),
        (["ckpt_path=."], ". contains no checkpoints/best.ckpt; give a run folder or a checkpoint."),
    ],
)
def test_invalid_requests_end_in_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    result = evaluate(tmp_path, *arguments)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_compiled_evaluation_needs_a_gpu(small_checkpoint: Path, tmp_path: Path) -> None:
    ended = evaluate(tmp_path, f"ckpt_path={small_checkpoint}", "compile=true", "trainer=cpu")
    assert ended.returncode == 1
    assert "error: compile=true needs a GPU; leave it out." in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ckpt_path=[a,b]", "weights=[0,0]"], "weights=[0, 0] leaves every stream out"),
        (["ckpt_path=[a,b]", "weights=[1,-1]"], "weights=[1, -1] holds -1; give numbers of at least 0"),
        (["ckpt_path=[a,b]", "weights=[1,x]"], "weights=[1, x] holds x"),
        (["ckpt_path=a", "weights=[1,2]"], "there is 1 stream but 2 weights; give one per stream."),
        (["ckpt_path=[a,b]", "weights=[1]"], "there are 2 streams but 1 weights; give one per stream."),
        (["ckpt_path=[a,b]", "weights=equal"], "weights=equal is not a list; give one number per stream"),
        (["ckpt_path=[a,b]", "weights=0.5"], "weights=0.5 is not a list"),
        (["ckpt_path=[a,b]", "weights=auto", "split=val"], "weights=auto is fitted to the val split"),
        (["ckpt_path=a", "temperature=auto", "split=val"], "temperature=auto is fitted to the val split"),
        (["ckpt_path=[a,b]", "fusion=route", "weights=auto"], "weights are only for fusion=sum; leave them out"),
        (["ckpt_path=[a,b]", "fusion=route", "group_weight=1"], "group_weight=1 is only for fusion=hierarchy"),
        (["ckpt_path=a", "groups=sum"], "groups is sum; it must be action, marginal or network."),
        (["ckpt_path=[a,b]", "groups=network"], "groups=network needs a network of groups among the streams"),
        (["ckpt_path=a", "temperature=2"], "temperature is 2; it must be auto or null."),
        (["ckpt_path=[a,b]", "temperature=auto", "val_path=c"], "there are 2 streams but 1 in val_path; give one per"),
        (["ckpt_path=[a,b]", "val_path=[c,d]"], "val_path is only for fitting; set temperature, weights or"),
        (["ckpt_path=[a,b]", "average=mean"], "average is mean; it must be logits or probabilities."),
        (["ckpt_path=a", "tta.samplings=0"], "tta.samplings is 0; it must be an integer of at least 1."),
        (["ckpt_path=a", "tta.flip=1"], "tta.flip is 1; it must be true or false."),
        (["ckpt_path=a", "precision=8"], "precision is 8; it must be 32 or bf16."),
        (["ckpt_path=a", "compile=1"], "compile is 1; it must be true or false."),
    ],
)
def test_invalid_values_are_refused(arguments: list[str], sentence: str) -> None:
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose("eval", arguments)
    with pytest.raises(UserError, match=re.escape(sentence)):
        read_request(cfg)


def test_errors_are_reported_before_anything_slow_is_imported(tmp_path: Path) -> None:
    program = (
        "import runpy, sys\n"
        f"sys.argv = [{str(ROOT / 'eval.py')!r}]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print([name for name in ('torch', 'lightning', 'pandas', 'scipy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("[]\n", 1)


def test_a_run_folder_is_replaced_by_its_best_epoch(small_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    shutil.copy(small_checkpoint, tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert evaluate(tmp_path, "ckpt_path=run").returncode == 0
    source = read_scores(tmp_path / "out" / "scores.h5").source
    assert source.checkpoints == (str(tmp_path / "run" / "checkpoints" / "best.ckpt"),)


def test_a_modality_other_than_the_checkpoints_is_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    result = evaluate(tmp_path, f"ckpt_path={small_checkpoint}", "modality=joint")
    assert "was trained on bone; leave out modality=joint." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["modality=joint"], "do not record their data; give data.path= as well."),
        (["experiment=nothing"], "Could not find 'experiment/nothing'"),
        (["modality=joint", "data.path=none.h5"], "there is no data file none.h5"),
        (["data=ma52"], "do not record a modality; give experiment=ma52_joint or similar"),
    ],
)
def test_official_weights_require_data_and_modality(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    result = evaluate(tmp_path, f"ckpt_path={FIXTURES / 'official_small.pt'}", *arguments)
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_experiment_sets_the_modality_of_official_weights(jhmdb_like: Path, tmp_path: Path) -> None:
    official = FIXTURES / "official_small.pt"
    result = evaluate(tmp_path, f"ckpt_path={official}", "experiment=jhmdb_bone", "paths.data_dir=there")
    assert "there is no data file there/jhmdb.h5; make it with `mmn convert" in result.stderr
    result = evaluate(tmp_path, f"ckpt_path={official}", "experiment=jhmdb_bone", f"data.path={jhmdb_like}")
    assert "is for 10 joints, but" in result.stderr


def test_unlabelled_clips_get_classes_and_probabilities(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    clips = small.splits["test"]
    unlabelled = replace(clips, labels=np.full_like(clips.labels, -1))
    write_data(tmp_path / "new.h5", replace(small, splits={"test": unlabelled}))
    result = evaluate(tmp_path, f"ckpt_path={small_checkpoint}", "data.path=new.h5")
    assert result.returncode == 0, result.stderr
    assert "28 unlabelled clips" in result.stdout
    scores = read_scores(tmp_path / "out" / "scores.h5")
    with (tmp_path / "out" / "probabilities.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["place"] for row in rows[:6]] == ["1", "2", "3", "4", "5", "1"]
    chances = torch.from_numpy(scores.logits).double().softmax(dim=1)
    best, names = chances.topk(5), scores.classes.names
    assert [float(row["probability"]) for row in rows] == pytest.approx(best.values.flatten().tolist(), abs=1e-6)
    assert [row["class"] for row in rows] == [names[k] for k in best.indices.flatten()]
    assert [row["name"] for row in rows[::5]] == scores.names
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test"] == {"clips": 0}


def test_scores_are_averaged_over_plain_and_mirrored_views(
    small: SkeletonData, jhmdb_like: Path, small_checkpoint: Path, tmp_path: Path
) -> None:
    network, clips = load_network(small_checkpoint), small.splits["test"]
    result = evaluate(tmp_path, f"ckpt_path={small_checkpoint}", "tta.flip=true")
    assert "2 views per clip, 2 times the cost" in result.stdout
    swapped = np.arange(15)
    for left, right in small.layout.flip_pairs:
        swapped[[left, right]] = right, left
    arrays = [clips.clip(i) for i in range(len(clips))]
    x, times = prepare(arrays, small.layout, "joint", 16)
    order = torch.tensor(small.layout.order)
    own_order = torch.argsort(order)
    mirrored = x[:, :, own_order][:, :, torch.from_numpy(swapped)] * torch.tensor([-1.0, 1.0])
    bones = mirrored[:, :, order] - mirrored[:, :, torch.from_numpy(small.layout.bone_end("official"))[order]]
    plain = infer(network, *prepare(arrays, small.layout, "bone", 16))
    expected = (plain + infer(network, bones, times)) / 2
    np.testing.assert_allclose(read_scores(tmp_path / "out" / "scores.h5").logits, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("change", [{"bones": [(0, 1)]}, {"centre": 3}])
def test_a_file_with_another_skeleton_of_the_same_joints_is_refused(
    change: dict, small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    write_data(tmp_path / "x.h5", replace(small, layout=replace(small.layout, **change)))
    ended = evaluate(tmp_path, f"ckpt_path={small_checkpoint}", f"data.path={tmp_path}/x.h5")
    assert ended.returncode != 0
    assert f"a skeleton layout with different {next(iter(change))}" in ended.stderr


def test_evaluation_shows_the_streams_that_the_command_requests(
    jhmdb_like: Path, small: SkeletonData, tmp_path: Path
) -> None:
    checkpoint = save_untrained(tmp_path / "net.ckpt", small, jhmdb_like, "all")
    command = (f"ckpt_path={checkpoint}", "modality=all")
    for shown in ("null", "[joint]"):
        assert evaluate(tmp_path, *command, f"modality.shown={shown}").returncode == 0
        (tmp_path / "out").rename(tmp_path / shown)
    whole, some = (read_scores(tmp_path / shown / "scores.h5").logits for shown in ("null", "[joint]"))
    clips = [small.splits["test"].clip(i) for i in range(len(whole))]
    network = load_network(checkpoint)
    for logits, modality in ((whole, Modality("all")), (some, Modality("all", shown=["joint"]))):
        expected = infer(network, *prepare(clips, small.layout, modality, 16))
        np.testing.assert_allclose(logits, expected.numpy(), atol=1e-5)
    ended = evaluate(tmp_path, *command, "modality.bone_rule=tree")
    assert f"{checkpoint} was trained with modality.bone_rule=official; leave out modality.bone_rule." in ended.stderr


def test_what_has_no_effect_on_scores_files_is_refused(small_checkpoint: Path, tmp_path: Path) -> None:
    assert evaluate(tmp_path, f"ckpt_path={small_checkpoint}").returncode == 0
    shutil.copytree(tmp_path / "out", tmp_path / "one")
    for key in ("data.path=x.h5", "tta.flip=true", "precision=bf16", "modality=joint"):
        result = evaluate(tmp_path, "ckpt_path=one/scores.h5", key)
        name = key.partition("=")[0]
        assert f"{name} has no effect on scores files, and ckpt_path names nothing else; leave it out." in result.stderr
    assert evaluate(tmp_path, "ckpt_path=one/scores.h5").returncode == 0
    both = evaluate(tmp_path, f"ckpt_path=[one/scores.h5,{small_checkpoint}]", "tta.samplings=2", "modality=joint")
    assert "one/scores.h5: these scores are used as they are" in both.stdout
    assert "keeps its own modality: with several networks, modality is for official weights" in both.stdout


def test_training_clips_in_another_split_are_warned_of(
    small_checkpoint: Path, small: SkeletonData, tmp_path: Path
) -> None:
    content = torch.load(small_checkpoint, weights_only=True)
    content["mmn"]["stream"]["trained_on"] = small.splits["train"].hashes().tolist()
    torch.save(content, tmp_path / "net.ckpt")
    seen = take(small.splits["train"], np.arange(3))
    test = join({"test": small.splits["test"], "seen": replace(seen, names=["x", "y", "z"])})
    write_data(tmp_path / "x.h5", replace(small, splits={**small.splits, "test": test}))
    result = evaluate(tmp_path, "ckpt_path=net.ckpt", "data.path=x.h5")
    assert f"was trained on 3 of the {len(test)} clips of x.h5, split test: metrics will be too optim" in result.stdout
    assert "was trained on" not in evaluate(tmp_path, "ckpt_path=net.ckpt").stdout
    assert "was trained on" not in evaluate(tmp_path, "ckpt_path=net.ckpt", "split=train").stdout


def test_body_groups_are_not_ranked_where_there_are_none(small_checkpoint: Path, tmp_path: Path) -> None:
    result = evaluate(tmp_path, f"ckpt_path={small_checkpoint}", "groups=marginal")
    assert "groups=marginal ranks body groups, but the classes have none; leave it out." in result.stderr
    assert not (tmp_path / "out" / "metrics.json").exists()
