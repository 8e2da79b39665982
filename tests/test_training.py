"""Training, resuming and evaluating from the command line, on two small files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import QUICK, TINY, column, command, in_process, train
from conftest import FIXTURES

import mmn
from mmn.data.format.hdf5 import read_data
from mmn.data.synthetic.synthesize import synthesize
from mmn.evaluation.scores import Scores, read_scores, write_scores
from mmn.inference.checkpoint import load_checkpoint
from mmn.training.module import MMNModule


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


@pytest.mark.slow
def test_a_run_writes_the_documented_files(run: Path) -> None:
    assert {"config.yaml", "metrics.csv", "metrics.json", ".hydra", "checkpoints"} <= {p.name for p in run.iterdir()}
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) == {"val", "test", "about"}
    assert metrics["val"]["clips"] == metrics["test"]["clips"] == 28
    columns = next(csv.reader((run / "metrics.csv").open()))
    assert {"train/loss_step", "val/top1", "val/top5", "val/loss", "lr"} <= set(columns)


@pytest.mark.slow
def test_a_checkpoint_describes_itself_and_loads_without_executing_code(run: Path, jhmdb_like: Path) -> None:
    checkpoint = load_checkpoint(run / "checkpoints" / "best.ckpt")
    assert checkpoint.arguments["num_joints"] == 15
    stream = checkpoint.stream
    assert checkpoint.network.stream is stream
    assert (stream.modality.name, stream.data, stream.data_path) == ("joint", "jhmdb", str(jhmdb_like))
    assert stream.trained_on == read_data(jhmdb_like).splits["train"].hashes().tolist()
    assert stream.classes.names[0] == "catch"
    assert stream.arguments == checkpoint.network.config


@pytest.mark.slow
def test_evaluation_of_a_checkpoint_alone_reproduces_the_runs_metrics(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "best.ckpt"
    for size in (1, 7, 64):
        folder = tmp_path / str(size)
        result = in_process(
            "eval.py", f"ckpt_path={checkpoint}", f"hydra.run.dir={folder}", f"data.batch_size={size}", cwd=tmp_path
        )
        assert result.returncode == 0, result.stderr
        assert {"metrics.json", "analysis.json", "scores.h5", "prediction.csv", "prediction.zip"} <= {
            p.name for p in folder.iterdir()
        }
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["test"] == json.loads((run / "metrics.json").read_text())["test"]
        assert metrics["about"]["selected_on"] == "val/top1"


@pytest.mark.slow
def test_two_checkpoints_are_ensembled(run: Path, tmp_path: Path) -> None:
    best, last = (run / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
    result = in_process(
        "eval.py", f"ckpt_path=[{best},{last}]", "weights=[1.0,0.0]", "hydra.run.dir=out", cwd=tmp_path
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    combined = json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]
    assert combined == json.loads((run / "metrics.json").read_text())["test"]


@pytest.mark.slow
def test_ensembles_mix_checkpoints_and_scores_with_weights_fitted_on_val(run: Path, tmp_path: Path) -> None:
    scores = read_scores(run / "scores_test.h5")
    order = np.random.default_rng(0).permutation(len(scores.names))
    names = [scores.names[i] for i in order]
    shuffled = Scores(names, scores.labels[order], scores.logits[order], scores.classes, scores.source)
    write_scores(tmp_path / "scores_test.h5", shuffled)
    (tmp_path / "scores_val.h5").write_bytes((run / "scores_val.h5").read_bytes())
    best = run / "checkpoints" / "best.ckpt"
    result = in_process(
        "eval.py", f"ckpt_path=[{best},{tmp_path}/scores_test.h5]", "weights=auto", "hydra.run.dir=out", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "clips of the val split" in result.stdout
    combined = json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]
    alone = json.loads((run / "metrics.json").read_text())["test"]
    assert {k: v for k, v in combined.items() if k != "loss"} == {k: v for k, v in alone.items() if k != "loss"}
    assert combined["loss"] == pytest.approx(alone["loss"], abs=1e-5)
    assert set(json.loads((tmp_path / "out" / "analysis.json").read_text())) >= {"intervals_95", "ece", "classes"}
    wrong = in_process("eval.py", f"ckpt_path={run}/scores_val.h5", "hydra.run.dir=out", cwd=tmp_path)
    assert "holds scores of split val; give scores of test" in wrong.stderr


@pytest.mark.slow
def test_test_time_augmentation_averages_views_and_logs_its_cost(run: Path, tmp_path: Path) -> None:
    best = run / "checkpoints" / "best.ckpt"
    result = in_process(
        "eval.py", f"ckpt_path={best}", "tta.samplings=2", "tta.flip=true", "hydra.run.dir=out", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "4 views per clip, 4 times the cost" in result.stdout
    plain, averaged = read_scores(run / "scores_test.h5"), read_scores(tmp_path / "out" / "scores.h5")
    assert not np.array_equal(plain.logits, averaged.logits)


@pytest.mark.slow
def test_selection_on_test_without_a_val_split_is_logged_once(tmp_path: Path) -> None:
    synthesize(tmp_path / "x.h5", "jhmdb", clips_per_class=2, val_per_class=0, test_per_class=1, frames=(8, 12))
    result = train(tmp_path / "run", tmp_path / "x.h5", "trainer.max_epochs=1", "scheduler.warmup_epochs=0")
    assert result.returncode == 0, result.stderr
    assert (result.stdout + result.stderr).count("has no val split") == 1


@pytest.mark.slow
@pytest.mark.parametrize("debug", ["fast", "overfit", "profile"])
def test_debug_runs_finish(tmp_path: Path, jhmdb_like: Path, debug: str) -> None:
    shorter = ["trainer.max_epochs=5"] if debug == "overfit" else []
    result = train(tmp_path / "run", jhmdb_like, f"debug={debug}", "logger=none", *shorter)
    assert result.returncode == 0, result.stderr
    if debug == "profile":
        assert "run_training_epoch" in (tmp_path / "run" / "fit-profile.txt").read_text()


@pytest.mark.slow
def test_two_processes_give_the_scores_of_one(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "best.ckpt"
    for trainer in ("cpu", "ddp_cpu"):
        result = command(
            "eval.py", f"ckpt_path={checkpoint}", f"trainer={trainer}", f"hydra.run.dir={trainer}", "data.batch_size=5",
            cwd=tmp_path,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
    for name in ("metrics.json", "prediction.csv"):
        assert (tmp_path / "cpu" / name).read_bytes() == (tmp_path / "ddp_cpu" / name).read_bytes()


@pytest.mark.slow
def test_a_sweep_trains_each_modality_in_its_own_folder(tmp_path: Path, jhmdb_like: Path) -> None:
    modalities = ["joint", "bone", "joint_motion", "bone_motion"]
    result = in_process(
        "train.py", "-m", *TINY, f"data.path={jhmdb_like}", f"modality={','.join(modalities)}", "trainer.max_epochs=1",
        "scheduler.warmup_epochs=0", "hydra.sweep.dir=sweep", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    trained = sorted(load_checkpoint(p).stream.modality.name for p in tmp_path.rglob("best.ckpt"))
    assert trained == sorted(modalities)


@pytest.mark.slow
def test_an_official_checkpoint_is_scored_with_the_experiments_modality(tmp_path: Path) -> None:
    layout = tmp_path / "ten.yaml"
    joints = [f"j{i}" for i in range(10)]
    layout.write_text(json.dumps({
        "joints": joints, "bones": [[i, i - 1] for i in range(1, 10)], "parts": {"all": joints}, "centre": 0,
        "classes": [f"c{i}" for i in range(7)],
    }))  # fmt: skip
    synthesize(tmp_path / "ten.h5", layout, clips_per_class=1, val_per_class=0, test_per_class=2)
    result = in_process(
        "eval.py", f"ckpt_path={FIXTURES / 'official_small.pt'}", "experiment=ma52_bone", "data.path=ten.h5",
        "hydra.run.dir=out", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "bone of ten.h5" in result.stdout
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]["clips"] == 14


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("eval.py", ["ckpt_path=nothing.ckpt"], "there is no checkpoint nothing.ckpt"),
        ("eval.py", ["ckpt_path=DATA"], "is HDF5 but holds no scores"),
        ("eval.py", ["ckpt_path=OFFICIAL", "data.path=DATA"], "official weights, which do not record a modality"),
        ("eval.py", ["ckpt_path=OFFICIAL", "data.path=DATA", "modality=joint"], "is for 10 joints, but"),
        ("eval.py", ["ckpt_path=RUN", "split=nothing"], "has no split nothing"),
    ],
)
def test_user_errors_end_in_one_sentence(
    script: str, arguments: list[str], sentence: str, run: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    places = {
        "DATA": str(jhmdb_like),
        "OFFICIAL": str(FIXTURES / "official_small.pt"),
        "RUN": str(run / "checkpoints" / "best.ckpt"),
    }
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    result = in_process(script, *arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_checkpoint_in_the_first_format_still_loads(small_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(small_checkpoint, weights_only=True)
    stream = content["mmn"].pop("stream")
    kept = {key: stream[key] for key in ("layout", "classes", "data", "data_path")}
    modality = {"modality": stream["preprocessing"]["modality"]["name"], "bone_rule": "official"}
    content["mmn"] = {"network": stream["arguments"], "description": {"version": 1, **modality, **kept}}
    torch.save(content, tmp_path / "first.ckpt")
    first, now = load_checkpoint(tmp_path / "first.ckpt"), load_checkpoint(small_checkpoint)
    assert first.stream == replace(now.stream, trained_on=None)
    assert first.arguments == first.network.config


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    for content, sentence in (
        ([1, 2], "holds a list"),
        ({"weights": 1}, "neither a checkpoint"),
        ({"mmn": {}, "state_dict": {"network.x": torch.zeros(1)}}, "is incomplete"),
        (mmn.MMN(3, 2, width=16), "holds more than weights"),
    ):
        torch.save(content, path)
        with pytest.raises(mmn.UserError, match=sentence):
            mmn.load_network(path)
    path.write_bytes((FIXTURES / "official_small.pt").read_bytes()[:9999])
    with pytest.raises(mmn.UserError, match=r"x\.pt"):
        mmn.load_network(path)


def test_only_steps_that_loggers_get_are_logged(
    jhmdb_like: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    log = MMNModule.log
    monkeypatch.setattr(MMNModule, "log", lambda self, name, *a, **k: (logged.append(name), log(self, name, *a, **k)))
    assert train(tmp_path / "run", jhmdb_like, *QUICK, "trainer.log_every_n_steps=4").returncode == 0
    steps = logged.index("train/loss")  # at the end of the epoch
    assert logged[:steps] == ["train/loss_step", "lr", "grad_norm"] * (steps // 3)
    assert len(column(tmp_path / "run", "lr")) == steps // 3 < 5
