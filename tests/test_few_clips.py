"""The benchmark of fine-tuning: both ways train the same network, and a folder is of one request."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from commands import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from mmn.engine.start import take_over_settings

PARTS = ("modality", "data", "model", "augmentation", "loss", "optimizer", "scheduler", "trainer")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import few_clips

    return few_clips


def composed(overrides: list[str], folder: Path) -> dict[str, Any]:
    """The config that a run with these overrides trains with."""
    with initialize_config_dir(str(ROOT / "configs"), version_base=None):
        cfg = compose("train", [*overrides, f"paths.output_dir={folder}"], return_hydra_config=True)
    try:
        HydraConfig.instance().set_config(cfg)
        take_over_settings(cfg, folder)
        return {key: OmegaConf.to_container(cfg[key], resolve=True) for key in PARTS} | {
            key: cfg[key] for key in ("init_from", "transfer")
        }
    finally:
        HydraConfig.instance().cfg = None


@pytest.mark.parametrize("overrides", [[], ["data.sampling=strata", "data.name=other"]])
def test_training_from_scratch_differs_from_fine_tuning_only_in_its_start(
    benchmark: ModuleType, small_checkpoint: Path, tmp_path: Path, overrides: list[str]
) -> None:
    tuned, scratch = (
        composed([*own, *overrides, "logger=csv"], tmp_path) for own in benchmark.starts(small_checkpoint).values()
    )
    assert (scratch["modality"]["name"], scratch["data"]["num_frames"], scratch["model"]["width"]) == ("bone", 16, 16)
    assert (tuned.pop("init_from"), scratch.pop("init_from")) == (str(small_checkpoint), None)
    assert (tuned.pop("transfer"), scratch.pop("transfer")) == (True, False)
    assert (tuned["optimizer"].pop("layer_decay"), scratch["optimizer"].pop("layer_decay")) == (0.75, 1)
    assert tuned == scratch


def test_a_folder_is_of_one_request(
    benchmark: ModuleType, jhmdb_like: Path, small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    trained = []

    def train(command: list[str], **_: Any) -> None:
        folder = Path(next(part for part in command if part.startswith("hydra.run.dir=")).partition("=")[2])
        folder.mkdir()
        (folder / "run.json").touch()
        (folder / "metrics.json").write_text(json.dumps({"about": {"last_epoch": {"test": {"top1": 50.0}}}}))
        trained.append(command)

    def run(*more: str) -> None:
        arguments = [str(jhmdb_like), str(small_checkpoint), str(tmp_path / "curve.png"), *more]
        monkeypatch.setattr(sys, "argv", ["few_clips.py", *arguments, "--folder", str(tmp_path / "runs")])
        benchmark.main()

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.run", stop)
    with pytest.raises(KeyboardInterrupt):
        run("data.nmae=typo")  # leaves no run
    monkeypatch.setattr("subprocess.run", train)
    run("--seeds", "1")
    assert "| 2 | 50.00 | 50.00 | +0.00 |" in capsys.readouterr().out
    assert len(trained) == 8
    run("--seeds", "2")
    assert "| all | 50.00 ± 0.00 | 50.00 ± 0.00 | +0.00 |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="has runs with other overrides; give another --folder"):
        run("trainer=gpu")
    (tmp_path / "runs" / "request.json").unlink()  # of a version that wrote none
    run("trainer=gpu", "--seeds", "2")
    assert len(trained) == 16
