"""One evaluation, from a composed config to its files."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from mmn.checkpoint import Checkpoint, load_checkpoint
from mmn.data.datamodule import SkeletonDataModule
from mmn.errors import UserError
from mmn.evaluation.challenge import write_predictions
from mmn.evaluation.scores import Scores, combine, figures, write_json, write_scores
from mmn.evaluation.scoring import score
from mmn.processes import same_job_in_every_process
from mmn.reporting.table import print_figures
from mmn.runtime import quiet_libraries, tune_runtime

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> dict[str, dict[str, float]]:
    """Score one checkpoint, or several as one, on one split.

    Writes to the run folder ``metrics.json``, ``scores.h5``, ``prediction.csv`` and ``prediction.zip``.

    Returns:
        ``{split: {figure: value}}``, what ``metrics.json`` holds.

    Raises:
        UserError: a checkpoint, file or split that is missing or does not fit.
    """
    with same_job_in_every_process():
        return _evaluate(cfg)


def _evaluate(cfg: DictConfig) -> dict[str, dict[str, float]]:
    tune_runtime()
    quiet_libraries()
    paths = [str(p) for p in cfg.ckpt_path] if isinstance(cfg.ckpt_path, ListConfig) else [cfg.ckpt_path]
    if not paths or paths == [None]:
        raise UserError("there is nothing to evaluate; give ckpt_path=FILE or ckpt_path=[FILE,FILE].")
    weights = [1.0 / len(paths)] * len(paths) if cfg.weights is None else [float(w) for w in cfg.weights]
    trainer: L.Trainer = instantiate(cfg.trainer, logger=False, enable_progress_bar=False, _convert_="all")
    streams = [_score_checkpoint(path, cfg, trainer) for path in paths]
    total = streams[0] if len(streams) == 1 else combine(streams, weights)
    result = {cfg.split: figures(total)}
    if trainer.is_global_zero:
        folder = Path(cfg.paths.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", result)
        write_scores(folder / "scores.h5", total, {"checkpoints": ", ".join(paths), "split": cfg.split})
        write_predictions(folder, total)
        columns = {} if len(streams) == 1 else {p: figures(s) for p, s in zip(paths, streams, strict=True)}
        print_figures({**columns, "combined" if columns else cfg.split: result[cfg.split]}, f"split {cfg.split}")
        print(f"written to {folder}")
    return result


def _score_checkpoint(path: str, cfg: DictConfig, trainer: L.Trainer) -> Scores:
    checkpoint = load_checkpoint(path)
    if checkpoint.description is None and not _modality_chosen():
        raise UserError(
            f"{path} holds official weights, which do not say what they see; give experiment=ma52_joint or its like, "
            "or modality=, and data.path=."
        )
    datamodule = _datamodule(cfg, checkpoint)
    _check_fit(path, checkpoint, datamodule)
    log.info("%s: %s of %s, split %s", path, datamodule.modality.name, datamodule.path, cfg.split)
    return score(trainer, checkpoint.network, datamodule, cfg.split, precision=str(cfg.precision))


def _modality_chosen() -> bool:
    """Whether the command line names a modality, or an experiment that does."""
    return any(override.startswith(("experiment=", "modality=")) for override in HydraConfig.get().overrides.task)


def _datamodule(cfg: DictConfig, checkpoint: Checkpoint) -> SkeletonDataModule:
    """The data the checkpoint was trained on; an official one does not say, so the experiment decides."""
    options: dict[str, Any] = {"num_frames": checkpoint.network.config["num_frames"], "maker": None}
    options["path"] = cfg.data.path or f"{cfg.paths.data_dir}/{cfg.data.name}.h5"
    if checkpoint.description is not None:
        options["modality"] = checkpoint.description.modality
        options["path"] = cfg.data.path or checkpoint.description.data_path
    return instantiate(cfg.data, **options)


def _check_fit(path: str, checkpoint: Checkpoint, datamodule: SkeletonDataModule) -> None:
    """Refuse a file of another skeleton or other classes than the checkpoint's."""
    config, data = checkpoint.network.config, datamodule.data
    have = {"joints": data.layout.num_joints, "coordinates": data.coordinates, "classes": len(data.classes.names)}
    need = {"joints": config["num_joints"], "coordinates": config["coordinates"], "classes": config["num_classes"]}
    for what, count in need.items():
        if have[what] != count:
            raise UserError(
                f"{path} is for {count} {what} and {datamodule.path} has {have[what]}; give data.path the file it "
                "was trained for."
            )
    described = checkpoint.description
    if described and (described.layout.order != data.layout.order or described.layout.joints != data.layout.joints):
        raise UserError(f"{path} was trained on another skeleton layout than {datamodule.path} holds.")
    if described and described.classes.names != data.classes.names:
        raise UserError(f"{path} recognises other classes than {datamodule.path} holds; compare their names.")
