"""Command lines: normalisation, and one-sentence errors that name the remedy."""

from pathlib import Path

import pytest
import torch
from commands import TINY, Ended, in_process
from conftest import FIXTURES, ROOT

from mmn.engine.arguments import normalise_arguments
from mmn.errors import UserError

OWN = ["experiment=own", "data.path=DATA"]
CONFIGS = ROOT / "configs"


def ends(ended: Ended, sentence: str) -> None:
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["experiment=ma52_joint"], "there is no data file data/ma52.h5; make it with `mmn download ma52`"),
        (["experiment=nothing"], "Could not find 'experiment/nothing' Available options"),
        (["model.widht=3"], "unknown key model.widht; did you mean model.width?"),
        (["trainer.max_epoch=3"], "trainer.max_epoch is not in the config (did you mean trainer.max_epochs?); write"),
        (["trainer.fast_dev_run=true"], "write +trainer.fast_dev_run= if it is an option of Lightning's Trainer"),
        (["scheduler=fast"], "scheduler=fast is now recipe=fast"),
        (["train=false"], "run `python eval.py ckpt_path=…`"),
        (["hparams_search=mmn_optuna"], "-m sweep=mmn_optuna"),
        (["data=null"], "data=null: this group is required; choose one of default, demo"),
        (["model.width=90", *OWN], "width is 90"),
        (["ckpt_path=nothing.ckpt", *OWN], "there is no checkpoint nothing.ckpt"),
        (["ckpt_path=OFFICIAL", *OWN], "does not record the settings of its run; start from its weights with"),
        (["init_from=OFFICIAL", *OWN], "does not fit the network to be trained"),
        (["data.batch_size=500", *OWN], "lower data.batch_size"),
        (["data.path=TYPO.h5"], "data.path is given without an experiment"),
        (["data.path=DATA"], "add experiment=own"),
        (["data.path=TYPO.h5", "experiment=own"], "there is no data file TYPO.h5"),
        (["seed=abc"], "seed is abc"),
        (["seed=null"], "seed is None"),
        (["seed=-1"], "seed is -1"),
        (["optimized_metric=val/acc"], "optimized_metric is val/acc, which validation does not measure"),
        (["loss.label_smoothing=1.5"], "loss.label_smoothing is 1.5; it must be a number from 0 to 1"),
        (["loss.label_smoothing=-0.1"], "loss.label_smoothing is -0.1"),
        (["optimizer.lr=nan"], "optimizer.lr is nan"),
        (["data.num_workers=1.5"], "data.num_workers is 1.5; it must be an integer"),
        (["data.batch_size=2.5"], "data.batch_size is 2.5; it must be an integer"),
        (["data.num_frames=8.0"], "data.num_frames is 8.0; it must be an integer"),
        (["data.memory_limit_gb=nan"], "data.memory_limit_gb is nan"),
        (["trainer.gradient_clip_val=-1"], "trainer.gradient_clip_val is -1"),
        (["trainer.max_epochs=true"], "trainer.max_epochs is True"),
        (["model.mlp_ratio=1e9", *OWN], "the network's mlp_ratio is 1000000000.0"),
        (["data.path=null", "experiment=own"], "data.path is None"),
        (["trainer.precision=64"], "trainer.precision=64 is not supported"),
        (["trainer.precision=16-true"], "trainer.precision=16-true"),
        (["trainer.log_every_n_steps=0"], "trainer.log_every_n_steps is 0"),
        (["+trainer.limit_test_batches=1"], "trainer.limit_test_batches cannot be used here"),
        (["+trainer.overfit_batches=1"], "use debug=overfit"),
        (["trainer=gpu", "trainer.accelerator=gpu"], "needs a GPU, and torch finds none"),
        (["cuda_graphs=true", "trainer=cpu"], "cuda_graphs=true needs a GPU"),
        (["paths.log_dir=s3://bucket/logs"], "set paths.log_dir to a local folder"),
        (["hydra.job.chdir=true"], "hydra.job.chdir=true is not supported"),
        (["+callbacks.best.save_top_k=3"], "BestEpoch has no option 'save_top_k'"),
        (["logger=none", "+callbacks.lr._target_=lightning.pytorch.callbacks.LearningRateMonitor", *OWN, *TINY[2:]],
         "Cannot use `LearningRateMonitor`"),
    ],
)  # fmt: skip
def test_a_user_error_ends_in_one_sentence_and_leaves_no_folder(
    arguments: list[str], sentence: str, jhmdb_like: Path, tmp_path: Path
) -> None:
    places = {"DATA": str(jhmdb_like), "OFFICIAL": str(FIXTURES / "official_small.pt")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    if sentence.startswith("needs a GPU") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    ends(in_process("train.py", *arguments, cwd=tmp_path), sentence)
    assert not list(tmp_path.glob("logs/*/*/*"))


def test_overrides_are_accepted_in_any_order_and_spelling() -> None:
    def taken(*arguments: str) -> list[str]:
        return normalise_arguments(arguments, CONFIGS)

    assert taken("seed=1", "-m", "--modality=joint,bone") == ["-m", "seed=1", "modality=joint,bone"]
    assert taken("-cn", "eval", "seed=2", "--cfg", "job") == ["-cn", "eval", "--cfg", "job", "seed=2"]
    assert taken("logger=null", "experiment=null") == ["logger=none", "experiment=none"]
    assert taken("-m", "view=null,upper_body") == ["-m", "view=none,upper_body"]
    assert taken("ckpt_path=null", "data.path=null") == ["ckpt_path=null", "data.path=null"]
    with pytest.raises(UserError, match="choose one of mmn"):
        taken("model=null")


@pytest.mark.parametrize("path", ["my data/ü=[1].h5", "a b.h5", "x=y.h5", "it's.h5", "plain.h5"])
def test_paths_with_special_characters_are_unchanged(path: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = normalise_arguments([f"data.path={path}"], CONFIGS)
    assert OverridesParser.create().parse_override(override).value() == path


def test_a_run_needs_no_logger_callbacks_or_recipe(jhmdb_like: Path, tmp_path: Path) -> None:
    ended = in_process(
        "train.py", "experiment=null", "logger=null", "callbacks=null", f"data.path={jhmdb_like}", *TINY[2:],
        "+trainer.fast_dev_run=true", "debug=null", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "nothing is kept" in ended.stdout
    assert not list(tmp_path.glob("logs/*/*/*"))
