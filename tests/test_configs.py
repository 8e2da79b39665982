"""Every config composes, and the published recipes have the published values."""

import shlex

import pytest
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from mmn.data.pipeline.modality import Modality

CONFIGS = ROOT / "configs"


def group(name: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / name).glob("*.yaml"))


def composed(*overrides: str, config: str = "train") -> DictConfig:
    """A config with every interpolation resolved, except the folder that Hydra creates."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose(config, [*overrides, "paths.output_dir=run"], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)  # configs refer to the selected experiment
    with open_dict(cfg):
        del cfg["hydra"]
    OmegaConf.resolve(cfg)
    return cfg


def choices() -> list[str]:
    groups = [path.name for path in sorted(CONFIGS.iterdir()) if path.is_dir()]
    return [f"{name}={choice}" for name in groups for choice in group(name)]


@pytest.mark.parametrize("choice", choices())
def test_every_choice_of_every_group_composes(choice: str) -> None:
    composed(choice)


@pytest.mark.parametrize("experiment", group("experiment"))
def test_every_experiment_composes_for_evaluation_and_builds_its_parts(experiment: str) -> None:
    composed(f"experiment={experiment}", config="eval")
    cfg = composed(f"experiment={experiment}")
    instantiate(cfg.data)
    instantiate(cfg.loss)
    instantiate(cfg.model, num_joints=5, num_classes=3)


@pytest.mark.parametrize(
    ("experiment", "modality", "p"),
    [
        ("ma52_joint", "joint", 0.2),
        ("ma52_bone", "bone", 0.2),
        ("imigue_joint", "joint", 0.0),
        ("imigue_bone", "bone", 0.2),
        ("jhmdb_joint", "joint", 0.2),
        ("jhmdb_bone", "bone", 0.2),
    ],
)
def test_published_recipes_have_the_published_values(experiment: str, modality: str, p: float) -> None:
    cfg = composed(f"experiment={experiment}")
    assert cfg.modality.name == modality
    assert [step.p for step in cfg.augmentation.get("steps", [])] == ([p, p] if p else [])
    assert (cfg.optimizer._target_, cfg.optimizer.lr, cfg.optimizer.weight_decay) == ("torch.optim.AdamW", 1e-3, 0.1)
    assert (cfg.trainer.max_epochs, cfg.data.batch_size, cfg.data.num_frames, cfg.seed) == (120, 64, 64, 1)
    schedule = cfg.scheduler
    assert (schedule.warmup_epochs, schedule.warmup_lr, schedule.min_lr) == (20, 1e-7, 1e-5)
    assert (cfg.loss.label_smoothing, cfg.loss.consistency_weight) == (0.1, 0.0)
    assert cfg.trainer.gradient_clip_val is None
    assert not cfg.model.corrected
    assert set(cfg.logger) == {"csv", "wandb"}


def test_the_plus_recipe_takes_another_modality() -> None:
    for name in ("joint", "bone_motion", "all"):
        assert instantiate(composed("experiment=utd_plus", f"modality={name}").modality) == Modality(
            name, bone_rule="tree" if name == "all" else "official"
        )


@pytest.mark.parametrize("callbacks", ["[early_stopping,ema]", "[ema,early_stopping]"])
def test_callbacks_combine_in_any_order(callbacks: str) -> None:
    found = composed(f"callbacks={callbacks}").callbacks
    assert (found.best.patience, found.ema.decay) == (20, 0.99)
    assert set(composed().callbacks) < set(found)


def test_the_default_is_the_demo() -> None:
    assert composed().data.name == "demo"


def commands_shown() -> list[str]:
    """Every train.py and eval.py command in the documentation and the scripts' docstrings."""
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
    texts = [path.read_text() for path in (*documents, ROOT / "train.py", ROOT / "eval.py")]
    lines = [line.split("  #")[0].strip() for text in texts for line in text.splitlines()]
    return sorted({line for line in lines if line.startswith(("python train.py", "python eval.py"))})


@pytest.mark.parametrize("command", commands_shown())
def test_every_documented_command_composes(command: str) -> None:
    script, *overrides = shlex.split(command, comments=True)[1:]
    if "--config-dir" in overrides:
        place = overrides.index("--config-dir")
        _, folder = overrides[place : place + 2]
        overrides[place : place + 2] = [f"hydra.searchpath=[file://{ROOT / folder}]"]
    if "-m" in overrides:  # the first job of the sweep
        overrides = [override.split(",")[0] for override in overrides if override != "-m"]
    composed(*overrides, config=script.removesuffix(".py"))
