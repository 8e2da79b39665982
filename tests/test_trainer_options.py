"""Trainer options take effect; failures that stop a run are reported and lose nothing."""

import json
import re
import resource
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands import QUICK, column, command, train
from omegaconf import OmegaConf

from mmn.data.pipeline.batch import Batch
from mmn.engine.check import _check_trainer
from mmn.errors import UserError
from mmn.training.guards import StopOnNonFinite, memory_explained


@pytest.mark.parametrize(
    "overrides",
    [
        ["callbacks=ema"],
        ["trainer.deterministic=true"],
        ["trainer.precision=bf16"],
        [
            "trainer.accumulate_grad_batches=3",
            "scale_lr=true",
            "trainer.gradient_clip_val=1.0",
            "trainer.log_every_n_steps=1",
        ],
        ["recipe=fast", "trainer.max_epochs=1", "scheduler.warmup_epochs=0"],
    ],
    ids=lambda overrides: overrides[0],
)
def test_trainer_options_train_and_evaluate(
    jhmdb_like: Path, tmp_path: Path, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmn.engine.check._cpu_computes_in_bf16", lambda: False)
    result = train(tmp_path / "run", jhmdb_like, *QUICK, *overrides)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["val"]["clips"] == 28
    slow = "This CPU has no bf16 instructions, so trainer.precision=bf16 is slower than 32."
    assert (slow in result.stdout + result.stderr) == ("trainer.precision=bf16" in overrides)
    assert "historical" not in result.stderr  # Lightning's warning about the spelling bf16
    if "scale_lr=true" in overrides:
        assert column(tmp_path / "run", "lr")[0] == pytest.approx(1e-3 * 8 * 3 / 64, rel=0.3)
    if "callbacks=ema" in overrides:
        checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
        name = "network.classifier.weight"
        assert not torch.equal(checkpoint["state_dict"][name], checkpoint["current_model_state"][name])


def test_a_non_finite_loss_stops_the_run_and_names_its_clips(jhmdb_like: Path, tmp_path: Path) -> None:
    result = train(tmp_path / "run", jhmdb_like, *QUICK, "optimizer.lr=1e25")
    assert result.returncode == 1
    assert re.search(r"error: the loss is nan at step \d+ \(epoch 1\), with clips train\d+, ", result.stderr)
    assert "Traceback" not in result.stderr
    batch = torch.load(tmp_path / "run" / "nonfinite_batch.pt", weights_only=True)
    assert batch["clips"].shape == (8, 16, 15, 2)
    assert len(batch["names"]) == 8


def test_a_full_disk_keeps_the_previous_checkpoint(jhmdb_like: Path, tmp_path: Path) -> None:
    assert train(tmp_path / "run", jhmdb_like, *QUICK, "test=false").returncode == 0
    checkpoints = tmp_path / "run" / "checkpoints"
    before = {path.name: path.read_bytes() for path in checkpoints.iterdir()}

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    result = command(
        "train.py", *QUICK, f"data.path={jhmdb_like}", "hydra.run.dir=run", "resume=true", "trainer.max_epochs=2",
        cwd=tmp_path, preexec_fn=no_large_files,
    )  # fmt: skip
    assert result.returncode == 1
    assert "there is no space left" in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(before) == ["best.ckpt", "last.ckpt"]
    assert {path.name: path.read_bytes() for path in checkpoints.iterdir()} == before


def test_the_non_finite_loss_among_several_is_named(tmp_path: Path) -> None:
    batch = Batch(torch.zeros(1, 2, 3, 2), torch.zeros(1, 2), torch.zeros(1), torch.zeros(1))
    fetcher = SimpleNamespace(fetch=lambda indices, epoch, repeats: batch)
    datamodule = SimpleNamespace(
        loader=lambda split, training: SimpleNamespace(dataset=SimpleNamespace(fetcher=fetcher)),
        data=SimpleNamespace(splits={"train": SimpleNamespace(names=["good", "bad"])}),
    )
    trainer: Any = SimpleNamespace(
        datamodule=datamodule, current_epoch=0, global_step=0, log_every_n_steps=2, num_training_batches=9
    )
    gpu: Any = SimpleNamespace(device=torch.device("cuda"))
    stop = StopOnNonFinite(str(tmp_path))
    for step, loss in enumerate((1.0, float("nan"))):
        trainer.global_step = step + 1
        seen = batch._replace(indices=torch.tensor([step]))
        with pytest.raises(UserError, match=r"the loss is nan at step 2 .* with clips bad;") if step else nullcontext():
            stop.on_train_batch_end(trainer, gpu, {"loss": torch.tensor(loss)}, seen, step)
    assert torch.load(tmp_path / "nonfinite_batch.pt", weights_only=True)["names"] == ["bad"]


def test_out_of_gpu_memory_names_the_settings_to_lower() -> None:
    with pytest.raises(UserError, match=r"data\.batch_size=64 at trainer\.precision=32"), memory_explained(64, "32"):
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"recompute": True}, "cannot record recompute=true"),
        ({"trainer": {"accumulate_grad_batches": 2}}, "takes one batch per step"),
        ({"trainer": {"accelerator": "cpu"}}, "needs a GPU"),
    ],
)
def test_cuda_graphs_refuse_what_they_cannot_record(
    options: dict, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    cfg = OmegaConf.create({"cuda_graphs": True, "recompute": False, "trainer": {"max_epochs": 1}})
    _check_trainer(cfg)
    with pytest.raises(UserError, match=sentence):
        _check_trainer(OmegaConf.merge(cfg, options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["+trainer.limit_train_batches=0"], "trainer.limit_train_batches=0 leaves nothing to train"),
        (["+trainer.max_steps=0"], "trainer.max_steps=0 leaves nothing to train"),
        (["+trainer.val_check_interval=1000"], "; lower trainer.val_check_interval"),
        (
            ["scheduler._target_=torch.optim.lr_scheduler.CosineAnnealingLR"],
            "must take optimizer, total_steps and epochs",
        ),
        (
            [
                "+callbacks.more._target_=lightning.pytorch.callbacks.GradientAccumulationScheduler",
                "+callbacks.more.scheduling={0:1,1:2}",
            ],
            "use trainer.accumulate_grad_batches instead",
        ),
        (["patience=3", "callbacks=none"], "patience=3 has no effect"),
    ],
)
def test_options_that_cannot_work_end_in_a_sentence(
    jhmdb_like: Path, tmp_path: Path, overrides: list[str], sentence: str
) -> None:
    result = train(tmp_path / "run", jhmdb_like, *QUICK, *overrides)
    assert result.returncode == 1
    assert sentence in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_an_epoch_cut_short_shows_no_loss_of_another(jhmdb_like: Path, tmp_path: Path) -> None:
    """Neither the loss of an earlier epoch, nor the earlier validation of a resumed run."""
    steps = ("trainer.max_epochs=null", "data.batch_size=8", "scheduler.warmup_epochs=0", "test=false")
    result = train(tmp_path / "run", jhmdb_like, *steps, "+trainer.max_steps=9")
    lines = [line for line in result.stdout.splitlines() if line.startswith("epoch ")]
    assert [line.partition(" · ")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "left" not in lines[1]
    more = ("+trainer.max_steps=12", "resume=true", "+trainer.check_val_every_n_epoch=5")
    result = train(tmp_path / "run", jhmdb_like, *steps, *more)
    assert [line for line in result.stdout.splitlines() if line.startswith("epoch 2")]
    assert "val/top1" not in result.stdout
