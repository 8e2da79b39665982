"""Training on a GPU: losses as on the CPU, batches created on the GPU, compiled blocks, resumed runs, several GPUs."""

from pathlib import Path

import pytest
import torch
from commands import QUICK, column, command, train
from conftest import ACCELERATOR, needs_gpu

from mmn.evaluation.scores import read_scores

pytestmark = needs_gpu
needs_graphs = pytest.mark.skipif(ACCELERATOR == "cpu", reason="needs CUDA graphs")

TRAINER = "trainer=cpu" if ACCELERATOR == "cpu" else "trainer=gpu"
STILL = [
    "model.drop_path=0",
    "model.dropout=0",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "model.freeze_biases=true",
]  # their gradients are rounding noise, which differs by device


@pytest.fixture(scope="module")
def on_cpu(jhmdb_like: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the CPU in float32, without dropout, whose random numbers differ by device."""
    folder = tmp_path_factory.mktemp("devices") / "cpu"
    assert train(folder, jhmdb_like, *QUICK, *STILL, "trainer=cpu").returncode == 0
    return folder


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        (["trainer.precision=32"], 1e-3),
        (["trainer.precision=32", "data.on_device=true"], 1e-3),
        (["trainer.precision=32", "compile=true"], 1e-3),
        (["trainer.precision=bf16"], 2e-2),
        pytest.param(["trainer.precision=32", "cuda_graphs=true"], 1e-3, marks=needs_graphs),
        pytest.param(["trainer.precision=bf16", "compile=true", "cuda_graphs=true"], 2e-2, marks=needs_graphs),
    ],
    ids=["float32", "on_device", "compile", "bf16", "graphs", "bf16_compiled_graphs"],
)
def test_losses_match_those_of_the_cpu(
    on_cpu: Path, jhmdb_like: Path, tmp_path: Path, options: list[str], tolerance: float
) -> None:
    result = train(tmp_path / "run", jhmdb_like, *QUICK, *STILL, TRAINER, *options)
    assert result.returncode == 0, result.stderr
    for name in ("train/loss_step", "val/loss"):
        assert column(tmp_path / "run", name) == pytest.approx(column(on_cpu, name), abs=tolerance), name


@pytest.mark.skipif(ACCELERATOR == "cpu", reason="a CPU does not wait")
@pytest.mark.parametrize("augmentation", ["official", "strong"])
@pytest.mark.parametrize("graphs", ["false", "true"])
def test_no_step_waits_for_the_gpu(jhmdb_like: Path, tmp_path: Path, augmentation: str, graphs: str) -> None:
    watch = "+callbacks.watch={_target_:own_callbacks.RefuseWaitingSteps}"
    options = [f"augmentation={augmentation}", "data.on_device=true", f"cuda_graphs={graphs}", watch]
    logs = "trainer.log_every_n_steps=1000"  # writing a metric waits
    result = train(tmp_path / "run", jhmdb_like, *QUICK, TRAINER, "modality=all", *options, logs)
    assert result.returncode == 0, result.stderr


@needs_graphs
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_compiled_evaluation_gives_the_same_scores(
    on_cpu: Path, jhmdb_like: Path, tmp_path: Path, precision: str
) -> None:
    found = []
    for device in ("cpu", "gpu"):
        options = [f"ckpt_path={on_cpu}", "split=val", "data.batch_size=5", f"trainer={device}"]
        options += ["compile=true", f"precision={precision}"] if device == "gpu" else []
        assert command("eval.py", *options, f"hydra.run.dir={tmp_path}/{device}", cwd=tmp_path).returncode == 0
        found.append(torch.tensor(read_scores(tmp_path / device / "scores.h5", "val").logits))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-4 if precision == "32" else 0.05)


@needs_graphs
def test_an_ensemble_trains_and_evaluates_as_on_the_cpu(jhmdb_like: Path, tmp_path: Path) -> None:
    options = [*QUICK, *STILL, "model=mmn_plus_small", "model.members=2"]
    scores = []
    for device, more in (("cpu", []), ("gpu", ["cuda_graphs=true"])):
        run, on_device = tmp_path / device, [f"trainer={device}"]
        assert train(run, jhmdb_like, *options, *on_device, "trainer.precision=32", *more).returncode == 0
        compiled = ["compile=true"] if more else []
        folder = f"hydra.run.dir={run}/eval"
        done = command("eval.py", f"ckpt_path={tmp_path}/cpu", "split=val", *on_device, *compiled, folder, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        scores.append(torch.tensor(read_scores(run / "eval" / "scores.h5", "val").logits))
    assert column(tmp_path / "gpu", "val/loss") == pytest.approx(column(tmp_path / "cpu", "val/loss"), abs=1e-3)
    torch.testing.assert_close(scores[1], scores[0], rtol=0, atol=1e-4)


def test_a_resumed_run_matches_an_uninterrupted_one(jhmdb_like: Path, tmp_path: Path) -> None:
    options = [*QUICK, TRAINER, "trainer.precision=32", "trainer.max_epochs=3"]
    assert train(tmp_path / "whole", jhmdb_like, *options).returncode == 0
    stop = "+callbacks.stop={_target_:own_callbacks.StopAfter,steps:10}"
    assert train(tmp_path / "stopped", jhmdb_like, *options, stop).returncode == 143
    last = tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    assert train(tmp_path / "resumed", jhmdb_like, *options, f"ckpt_path={last}").returncode == 0
    expected = column(tmp_path / "whole", "val/loss")[-1]
    assert column(tmp_path / "resumed", "val/loss")[-1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs: NCCL refuses two processes on one")
def test_two_gpus_with_half_the_batch_each_match_one(on_cpu: Path, jhmdb_like: Path, tmp_path: Path) -> None:
    options = [*QUICK, *STILL, f"data.path={jhmdb_like}", f"hydra.run.dir={tmp_path}/run", "trainer=ddp"]
    more = ["trainer.devices=2", "trainer.precision=32", "data.batch_size=4"]
    assert command("train.py", *options, *more, cwd=tmp_path).returncode == 0
    assert column(tmp_path / "run", "val/loss") == pytest.approx(column(on_cpu, "val/loss"), abs=1e-3)
