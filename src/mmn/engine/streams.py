"""One stream of an evaluation: a checkpoint scored on a split, or the scores in a file."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig

from mmn.data.format.hdf5 import read_data
from mmn.data.pipeline.augment import Augmentation
from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.pipeline.modality import Modality
from mmn.data.pipeline.preprocess import Preprocessing
from mmn.data.view.view import View
from mmn.engine.evaluation_request import EvaluationRequest
from mmn.engine.keys import given_keys
from mmn.engine.networks import named_networks
from mmn.engine.scoring import score_views, test_time_views
from mmn.errors import UserError
from mmn.evaluation.folds import of_files
from mmn.evaluation.foreign_files import SUFFIXES
from mmn.evaluation.foreign_scores import read_foreign
from mmn.evaluation.record import record_of
from mmn.evaluation.scores import Scores, Source, compute_metrics, read_scores
from mmn.inference.checkpoint import Checkpoint, check_fit, load_checkpoint
from mmn.inference.stream import Stream

log = logging.getLogger(__name__)


def score_streams(
    paths: Sequence[str], split: str, cfg: DictConfig, request: EvaluationRequest, trainer: L.Trainer
) -> list[Scores]:
    """Scores of a split by each of several checkpoints and scores files, ours or of other projects.

    Raises:
        UserError: a file is missing, of another kind, or does not fit the data.
    """
    own = {path: score_stream(path, split, cfg, request, trainer) for path in paths if not _is_foreign(path)}
    if len(own) == len(set(paths)):
        return [own[path] for path in paths]
    known = next(iter(own.values()), None) or _clips_of(request, split)
    return [read_foreign(Path(path), known) if _is_foreign(path) else own[path] for path in paths]


def clips_to_route(request: EvaluationRequest, split: str, cfg: DictConfig) -> Scores:
    """The clips and actions of the groups that the network of groups knows, without scores.

    Raises:
        UserError: a path is not a checkpoint, or none is a network of groups.
    """
    for path in request.paths:
        if _is_foreign(path) or path.endswith(".h5"):
            raise UserError(f"fusion=route scores every clip with every network; give checkpoints, not {path}.")
    for path in request.paths:
        stream = load_checkpoint(path, named_networks(cfg.model)).stream
        if stream and stream.view.target == "group":
            return _clips_of(request, split, stream)
    raise UserError("fusion=route needs a network of groups, but there is none; train one with data.target=group.")


def _is_foreign(path: str) -> bool:
    return Path(path).suffix in SUFFIXES


def _clips_of(request: EvaluationRequest, split: str, stream: Stream | None = None) -> Scores:
    """The clips and classes of the data files, without scores.

    Args:
        request: names the data files.
        split: the split of each file.
        stream: if given, provides the default data file and the classes to keep.

    Raises:
        UserError: there is no data file, or it has no such split.
    """
    parts = {}
    for name, path in request.files.items():
        file = path or (stream and stream.data_path)
        if not file:
            raise UserError(f"{request.paths[0]} does not record its clips' data file; give data.path= as well.")
        data = read_data(file, [split])
        if split not in data.splits:
            raise UserError(f"{file} has no split {split}; give another split= or file.")
        if stream:
            data = View(classes=stream.view.classes).apply(data, file)
        clips = data.splits[split]
        blank = np.zeros((len(clips), len(data.classes.names)), np.float32)
        source = Source(data=str(Path(file).resolve()), split=split)
        parts[name] = Scores(clips.names, clips.labels, blank, data.classes, source, clips.groups)
    return of_files(parts)


def score_stream(path: str, split: str, cfg: DictConfig, request: EvaluationRequest, trainer: L.Trainer) -> Scores:
    """Scores of a checkpoint on a split of all files, averaged over test-time views; or those in a scores file.

    Raises:
        UserError: a file is missing, of another kind, or does not fit the data.
    """
    if path.endswith(".h5"):
        if request.samplings > 1 or request.flip or request.precision != "32":
            log.info("%s: these scores are used as they are; tta and precision apply to checkpoints only", path)
        return read_scores(Path(path), split)
    return of_files({name: _score(path, file, split, cfg, request, trainer) for name, file in request.files.items()})


def _score(
    path: str, file: str | None, split: str, cfg: DictConfig, request: EvaluationRequest, trainer: L.Trainer
) -> Scores:
    """Scores of a checkpoint on one file."""
    checkpoint = load_checkpoint(path, named_networks(cfg.model))
    datamodule = _datamodule(path, file, checkpoint, cfg, every_clip=request.fusion == "route")
    check_fit(path, checkpoint, datamodule.data, datamodule.path)
    _warn_of_seen(path, checkpoint.stream, datamodule, split)
    log.info("%s: %s of %s, split %s", path, datamodule.modality.name, datamodule.path, split)
    views = test_time_views(request.samplings, request.flip)
    by_view = score_views(trainer, checkpoint.network, datamodule, split, request.precision, views, request.compile)
    plain = by_view[0]
    record = record_of(
        checkpoint.network,
        datamodule.data,
        split,
        modality=datamodule.modality.name,
        precision=request.precision,
        **({} if len(by_view) == 1 else {"tta": {"samplings": request.samplings, "flip": request.flip}}),
        **checkpoint.chosen,
    )
    scores = replace(
        plain,
        logits=np.mean([scores.logits for scores in by_view], axis=0),
        source=replace(plain.source, checkpoints=(str(Path(path).resolve()),), record=record),
    )
    if len(by_view) > 1 and (scores.labels >= 0).any():
        log.info(
            "test-time augmentation: %s views per clip, %s times the cost; Top-1 %.2f %% without, %.2f %% with it",
            len(by_view), len(by_view), compute_metrics(plain)["top1"], compute_metrics(scores)["top1"],
        )  # fmt: skip
    return scores


def _warn_of_seen(path: str, stream: Stream | None, datamodule: SkeletonDataModule, split: str) -> None:
    """Warn if the network was trained on clips of a split other than train, if they are in memory."""
    clips = datamodule.data.splits.get(split)
    if split == "train" or clips is None or stream is None or not isinstance(clips.keypoints, np.ndarray):
        return
    if seen := int(stream.seen(clips, datamodule.data.layout).sum()):
        text = "%s was trained on %s of the %s clips of %s, split %s: metrics will be too optimistic"
        log.warning(text, path, seen, len(clips), datamodule.path, split)


def _datamodule(
    path: str, file: str | None, checkpoint: Checkpoint, cfg: DictConfig, every_clip: bool
) -> SkeletonDataModule:
    """The data to score with a checkpoint; for official weights, from the modality and recipe of the config.

    With ``every_clip``, clips of classes that the network does not know are included, unlabelled.
    """
    stream = checkpoint.stream
    if stream is not None:
        preprocessing = _as_requested(path, stream.preprocessing, cfg)
        data_path, view = stream.view_of(file)
        if every_clip:
            view = replace(view.elsewhere(), keep_others=True)
        options = view.as_dict()
    else:
        modality, data_path, options = _recipe(path, file, cfg)
        preprocessing = Preprocessing(modality, checkpoint.arguments["num_frames"])
    return SkeletonDataModule(
        data_path,
        augmentation=Augmentation(),
        **preprocessing.as_options(),
        batch_size=cfg.data.batch_size,
        num_workers=cfg.data.num_workers,
        memory_limit_gb=cfg.data.memory_limit_gb,
        on_device=cfg.data.on_device,
        **options,
    )


def _as_requested(path: str, trained: Preprocessing, cfg: DictConfig) -> Preprocessing:
    """The network's preprocessing, which shows it only the streams of ``modality.shown`` if that is given.

    Raises:
        UserError: the command requests another modality than the network was trained on.
    """
    requested = cfg.get("modality")
    given = [key for key in given_keys() if key == "modality" or key.startswith("modality.")]
    if requested is not None and given and not isinstance(cfg.ckpt_path, str):
        log.warning("%s keeps its own modality: with several networks, %s is for official weights", path, given[0])
    if requested is None or not isinstance(cfg.ckpt_path, str):
        return trained
    modality = trained.modality
    if requested.name != modality.name:
        raise UserError(f"{path} was trained on {modality.name}; leave out modality={requested.name}.")
    wanted = instantiate(requested, shown=None)
    keys = [key.removeprefix("modality.") for key in given if key != "modality"]
    for key in keys:
        if key != "shown" and getattr(wanted, key) != getattr(modality, key):
            raise UserError(
                f"{path} was trained with modality.{key}={getattr(modality, key)}; leave out modality.{key}."
            )
    return replace(trained, modality=replace(modality, shown=requested.shown)) if "shown" in keys else trained


def _recipe(path: str, file: str | None, cfg: DictConfig) -> tuple[Modality, Path, dict[str, Any]]:
    """Modality, data file and how to get it, from the experiment or from modality= and data=."""
    if cfg.get("modality") is None:
        raise UserError(
            f"{path} holds official weights, which do not record a modality; give experiment=ma52_joint or similar, "
            "or modality= and data.path=."
        )
    name = cfg.data.get("name")
    if file is None and name is None:
        raise UserError(f"{path} holds official weights, which do not record their data; give data.path= as well.")
    options = {"get_it": cfg.data.get_it} if "get_it" in cfg.data else {}
    return instantiate(cfg.modality), Path(file or f"{cfg.paths.data_dir}/{name}.h5"), options
