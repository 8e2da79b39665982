"""Provenance of scores as plain values without paths or times: ``about`` in ``metrics.json``."""

import hashlib
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
    data = {record.get("data", "") for record in records}
    return {"data": data.pop() if len(data) == 1 else "", "streams": records, "weights": weights, **more}
