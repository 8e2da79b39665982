"""Provenance of scores as plain values without paths or times: ``about`` in ``metrics.json``."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from mmn.data.format.skeletons import SkeletonData, digest


def record_of(network: nn.Module, data: SkeletonData, split: str, **more: Any) -> dict[str, Any]:
    """The record of one network's scores on a split.

    Args:
        network: the scoring network.
        data: the scored data.
        split: its split.
        more: modality, precision, views, and the epoch and its selection, if known.
    """
    return {"data": digest(data, [split]), "network": network_digest(network), **more}


def network_digest(network: nn.Module) -> str:
    """A digest of the network's weights."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        total.update(f"{name} {tuple(value.shape)}".encode())
        total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def of_streams(records: list[dict[str, Any]], weights: list[float], **more: Any) -> dict[str, Any]:
    """The record of an ensemble."""
    data = records[0].get("data", "")
    same = all(record.get("data", "") == data for record in records)
    return {"data": data if same else "", "streams": records, "weights": weights, **more}


def of_folds(parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The record of the folds of one training, by name of the fold: what is the same in all, and all their digests."""
    first, *others = parts.values()
    same = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    return {**same, "data": {fold: record["data"] for fold, record in parts.items() if record.get("data")}}


def on_same_data(records: Sequence[dict[str, Any]]) -> bool:
    """Whether no file, or fold, has one content in one record and another in a different one."""
    known: dict[str, str] = {}
    for record in records:
        data = record.get("data") or {}
        for part, found in (data if isinstance(data, dict) else {"": data}).items():
            if known.setdefault(part, found) != found:
                return False
    return True
