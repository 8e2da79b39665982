"""The results of a training run: scores of its best and last epoch, and how the best was selected."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from torch import nn

from mmn.data.pipeline.datamodule import SkeletonDataModule
from mmn.data.view.folds import GROUPS
from mmn.engine.networks import build_network
from mmn.engine.run_state import read_state
from mmn.engine.scoring import score
from mmn.evaluation.analysis import baselines
from mmn.evaluation.calibration import fit_temperature
from mmn.evaluation.predictions import labelled
from mmn.evaluation.record import record_of
from mmn.evaluation.scores import Scores, compute_metrics, write_scores
from mmn.evaluation.unknown import confidence_percentiles
from mmn.files import write_json
from mmn.inference.checkpoint import KEY, load_network
from mmn.inference.weights_only import read_checkpoint
from mmn.reporting.table import print_metrics
from mmn.text import counted
from mmn.training.best import BestEpoch
from mmn.training.guards import AtomicCheckpoints
from mmn.training.module import MMNModule
from mmn.training.progress import log_line


def report(
    trainer: L.Trainer, module: MMNModule, datamodule: SkeletonDataModule, best_epoch: BestEpoch, folder: Path
) -> dict[str, Scores]:
    """Score the best epoch (or the last, if none was saved) and the last on the labelled clips of val and test.

    Writes ``metrics.json`` and ``scores_val.h5``, ``scores_test.h5``, prints a table, and adds to ``best.ckpt`` how it
    was selected, the temperature fitted to the val split, and percentiles of its confidence on that split.
    """
    kept = best_epoch.path if best_epoch.path is not None and best_epoch.best is not None else None
    network = load_network(kept, partial(build_network, module.stream.target)) if kept else module.network
    found = _scored(trainer, network, datamodule)
    epoch = best_epoch.best.epoch if kept and best_epoch.best else trainer.current_epoch
    best_is_last = not kept or (best_epoch.best is not None and best_epoch.best.step == trainer.global_step)
    last = found if best_is_last else _scored(trainer, module.network, datamodule)
    if not trainer.is_global_zero:
        return found
    about = {
        "selected_on": read_state(folder).get("selected_on") if kept else None,
        "epoch": epoch,
        **best_epoch.as_dict(),
        "validations": best_epoch.validations,
        "last_epoch": {
            "epoch": trainer.current_epoch,
            **{split: compute_metrics(scores) for split, scores in last.items()},
        },
        "temperature": fit_temperature(found["val"]) if "val" in found else None,
    }
    if datamodule.view.folds == GROUPS:  # so that a missing fold is noticed
        clips = [datamodule.data.splits[split] for split in ("train", "val")]
        about["groups"] = len({group for one in clips for group in one.groups or ()})
    chosen = {key: about[key] for key in ("selected_on", "epoch", "temperature")}
    if kept:
        confidences = confidence_percentiles(found["val"], about["temperature"]) if "val" in found else None
        clip_length = int(np.median(datamodule.data.splits["train"].lengths))
        _annotate(kept, chosen=chosen, confidences=confidences, clip_length=clip_length)
    for split, scores in found.items():
        more = {"modality": datamodule.modality.name, "precision": "32", **chosen}
        record = record_of(network, datamodule.data, split, **more)
        checkpoints = (str(kept.resolve()),) if kept else ()
        found[split] = replace(scores, source=replace(scores.source, checkpoints=checkpoints, record=record))
        write_scores(folder / f"scores_{split}.h5", found[split])
    result = {split: compute_metrics(scores) for split, scores in found.items()}
    write_json(folder / "metrics.json", {**result, "about": about})
    log_line(_table(result, found, about), quiet=True)
    print(f"written to {folder}")
    return found


def _scored(trainer: L.Trainer, network: nn.Module, datamodule: SkeletonDataModule) -> dict[str, Scores]:
    splits = datamodule.data.splits
    there = [split for split in ("val", "test") if split in splits and splits[split].labelled.any()]
    return {split: score(trainer, network, datamodule, split) for split in there}


def _annotate(path: Path, **more: Any) -> None:
    """Add entries to a checkpoint's record."""
    content = read_checkpoint(path)
    content[KEY] |= more
    AtomicCheckpoints().save_checkpoint(content, path)


def _table(result: dict[str, dict[str, float]], found: dict[str, Scores], about: dict[str, Any]) -> str:
    """Print best and last epoch beside trivial baselines; return the table as plain text."""
    last = about["last_epoch"]
    columns: dict[str, dict[str, float]] = dict(result)
    if last["epoch"] != about["epoch"]:
        columns |= {f"{split}, last": last[split] for split in result}
    if result:
        columns |= baselines(labelled(found["test" if "test" in result else "val"]))
    title = f"best epoch ({about['epoch']} of {last['epoch']})" if about["selected_on"] else "last epoch"
    table = print_metrics(columns, title)
    if about["selected_on"]:
        count = about["validations"]
        of = f"{last['epoch']} epochs" if count == last["epoch"] else counted(count, "validation")
        note = f"Selected on {about['selected_on']}, the best of {of}, so that value is optimistic."
        print(note)
        table += note + "\n"
    return table
