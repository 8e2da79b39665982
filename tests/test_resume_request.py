"""Settings that differ from the checkpoint's are applied, or refused by name."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from commands import Ended, train

from mmn.data.format.hdf5 import read_data, write_data
from mmn.data.synthetic.synthesize import synthesize

pytestmark = pytest.mark.slow


def go(folder: Path, data: Path, *overrides: str) -> Ended:
    return train(folder, data, "trainer.max_epochs=4", "data.batch_size=8", "trainer.log_every_n_steps=1", *overrides)


def rates(folder: Path) -> list[tuple[int, float]]:
    with (folder / "metrics.csv").open() as file:
        return [(int(row["step"]), float(row["lr"])) for row in csv.DictReader(file) if row["lr"]]


def planned(step: float, total: int, peak: float) -> float:
    return 1e-5 + 0.5 * (peak - 1e-5) * (1 + math.cos(math.pi * step / total))


def state(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def four(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four epochs of seven steps."""
    folder = tmp_path_factory.mktemp("four") / "run"
    assert go(folder, jhmdb_like).returncode == 0
    return folder


@pytest.fixture(scope="module")
def stopped(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of a run stopped after the third step of its second epoch."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    stop = "+callbacks.stop={_target_:own_callbacks.StopAfter,steps:10}"
    assert go(folder, jhmdb_like, stop).returncode == 143
    return folder / "checkpoints" / "last.ckpt"


def test_more_epochs_extend_the_schedule_over_all_of_them(four: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    result = go(tmp_path / "run", jhmdb_like, f"ckpt_path={four}/checkpoints/last.ckpt", "trainer.max_epochs=8")
    assert result.returncode == 0, result.stderr
    assert "in epoch 5, with trainer.max_epochs 8 (was 4)" in result.stdout
    assert rates(tmp_path / "run") == [(s, pytest.approx(planned(s, 56, 1e-3))) for s in range(28, 56)]


@pytest.mark.parametrize("size", [16, 5, 4])
def test_a_new_batch_size_trains_whole_epochs_and_completes_the_schedule(
    four: Path, jhmdb_like: Path, tmp_path: Path, size: int
) -> None:
    result = go(
        tmp_path / "run", jhmdb_like, f"ckpt_path={four}/checkpoints/last.ckpt", "trainer.max_epochs=6",
        f"data.batch_size={size}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    per_epoch = 56 // size
    found = [rate for _, rate in rates(tmp_path / "run")]
    assert found == [pytest.approx(planned(s, 6 * per_epoch, 1e-3)) for s in range(4 * per_epoch, 6 * per_epoch)]
    lines = [line for line in result.stdout.splitlines() if line.startswith("epoch ")]
    assert [line.split(" · ")[0] for line in lines] == ["epoch 5/6", "epoch 6/6"]
    assert all("val/top1" in line for line in lines)


def test_new_optimizer_settings_are_applied_and_recorded(four: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    result = go(
        tmp_path / "run", jhmdb_like, f"ckpt_path={four}/checkpoints/last.ckpt", "trainer.max_epochs=5",
        "optimizer.lr=1e-4", "optimizer.weight_decay=0.5",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert rates(tmp_path / "run")[0][1] == pytest.approx(planned(28, 35, 1e-4))
    group = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0]
    assert group["param_groups"][0]["weight_decay"] == 0.5
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["optimizer"]["lr"], config["optimizer"]["weight_decay"]) == (1e-4, 0.5)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["modality=bone"], "modality.name is bone, but the run of"),
        (["seed=2"], "seed is 2, but the run of"),
        (["model.width=32"], "model.width is 32, but the run of"),
        (["data.num_frames=32"], "data.num_frames is 32, but the run of"),
        (
            ["optimizer._target_=torch.optim.Adam", "~optimizer.fused"],
            "optimizer._target_ is torch.optim.Adam, but the run",
        ),
        (["callbacks=ema"], "which resuming cannot change: leave callbacks=ema out"),
        ([], "nothing is left to train"),
    ],
)
def test_settings_that_cannot_change_are_refused_with_both_values(
    four: Path, jhmdb_like: Path, tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    result = go(tmp_path / "run", jhmdb_like, f"ckpt_path={four}/checkpoints/last.ckpt", *overrides)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_other_clips_are_refused(four: Path, tmp_path: Path) -> None:
    synthesize(tmp_path / "other.h5", "jhmdb", clips_per_class=4, val_per_class=1, test_per_class=1, seed=9)
    last = f"ckpt_path={four}/checkpoints/last.ckpt"
    result = go(tmp_path / "run", tmp_path / "other.h5", last, "trainer.max_epochs=8")
    assert "set data.path to its own file" in result.stderr


def test_another_choice_of_clips_is_named(jhmdb_like: Path, tmp_path: Path) -> None:
    few = ("data.clips_per_class=3", "data.batch_size=4", "trainer.max_epochs=1")
    assert train(tmp_path / "few", jhmdb_like, *few).returncode == 0
    more = (f"ckpt_path={tmp_path}/few/checkpoints/last.ckpt", *few[:2], "trainer.max_epochs=2")
    result = train(tmp_path / "run", jhmdb_like, *more, "data.draw_seed=2")
    assert "; set data.draw_seed=1, or start from its weights" in result.stderr


def test_a_finished_run_is_not_resumed_and_refuses_changes(four: Path, jhmdb_like: Path) -> None:
    before = (four / "config.yaml").read_bytes()
    result = go(four, jhmdb_like, "resume=true")
    assert (result.returncode, "is finished; nothing to resume" in result.stdout) == (0, True)
    result = go(four, jhmdb_like, "resume=true", "optimizer.lr=1e-4")
    assert result.returncode == 1
    assert "is finished and cannot change to optimizer.lr 0.0001 (was 0.001)" in result.stderr
    assert go(four, jhmdb_like, "resume=true", "modality=bone").returncode == 1
    assert (four / "config.yaml").read_bytes() == before


def test_the_batch_size_cannot_change_mid_epoch(stopped: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    result = go(tmp_path / "run", jhmdb_like, f"ckpt_path={stopped}", "data.batch_size=16")
    assert "data.batch_size is 16, but the run of" in result.stderr
    assert "stopped mid-epoch" in result.stderr


def test_a_run_resumed_mid_epoch_ends_with_the_same_weights(
    stopped: Path, four: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    assert torch.load(stopped, weights_only=True)["mmn"]["run"]["place"] == [1, 3]
    result = go(tmp_path / "run", jhmdb_like, f"ckpt_path={stopped}")
    assert result.returncode == 0, result.stderr
    whole, again = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in (four, tmp_path / "run")
    )
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_best_epoch_is_copied_to_a_new_folder(four: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    result = go(
        tmp_path / "run", jhmdb_like, f"ckpt_path={four}/checkpoints/last.ckpt", "trainer.max_epochs=5",
        "optimizer.lr=0", "optimizer.weight_decay=0",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    best = state(four)["best"]
    assert state(tmp_path / "run")["best"] == best
    assert f"(best {best['value']:.2f}, epoch {best['epoch']})" in result.stdout
    assert f"best epoch ({best['epoch']} of " in result.stdout


def test_init_from_starts_at_epoch_0(four: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    start = four / "checkpoints" / "best.ckpt"
    result = go(tmp_path / "run", jhmdb_like, f"init_from={start}", "optimizer.lr=0", "trainer.max_epochs=1", "seed=5")
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1" in result.stdout
    old, new = (torch.load(p, weights_only=True)["state_dict"] for p in (start, tmp_path / "run/checkpoints/last.ckpt"))
    torch.testing.assert_close(old["network.classifier.weight"], new["network.classifier.weight"], atol=1e-4, rtol=0)


def test_init_from_weights_trained_for_something_else_is_warned_of(
    four: Path, jhmdb_like: Path, tmp_path: Path
) -> None:
    start = (f"init_from={four}/checkpoints/best.ckpt", "debug=fast")
    assert "are for another" not in train(tmp_path / "same", jhmdb_like, *start).stdout
    data = read_data(jhmdb_like)
    classes = replace(data.classes, names=[f"{name} again" for name in data.classes.names])
    joints = [f"other {name}" for name in data.layout.joints]
    write_data(tmp_path / "x.h5", replace(data, classes=classes, layout=replace(data.layout, joints=joints)))
    result = train(tmp_path / "run", tmp_path / "x.h5", *start, "modality=bone", "data.normalisation=aspect")
    assert result.returncode == 0, result.stderr
    rule = "data.normalisation (official, now aspect)"
    said = f"another modality.name (joint, now bone) and other {rule} and other joints and other classes; transfer=true"
    assert f"these weights are for {said} matches" in result.stdout


def test_init_from_another_network_is_refused(four: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    result = go(tmp_path / "run", jhmdb_like, f"init_from={four}/checkpoints/best.ckpt", "model.width=32")
    assert "does not fit the network to be trained" in result.stderr
    result = go(tmp_path / "run", jhmdb_like, "init_from=nothing.ckpt")
    assert "there is no checkpoint nothing.ckpt" in result.stderr
