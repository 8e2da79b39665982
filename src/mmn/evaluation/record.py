"""How scores came about, as plain values without paths or times: what ``metrics.json`` says under ``about``."""

import hashlib
from typing import Any

import torch
from torch import nn

from mmn.data.format.skeletons import SkeletonData, digest


def record_of(network: nn.Module, data: SkeletonData, split: str, **more: Any) -> dict[str, Any]:
    """The record of one network's scores of a split.

    Args:
        network: that scored.
        data: what was scored.
        split: of it.
        more: modality, precision, views, and what is known of the epoch and its choice.
    """
    return {"data": digest(data, [split]), "network": network_digest(network), **more}


def network_digest(network: nn.Module) -> str:
    """What tells the weights of two networks apart."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        total.update(f"{name} {tuple(value.shape)}".encode())
        total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def of_streams(records: list[dict[str, Any]], weights: list[float], **more: Any) -> dict[str, Any]:
    """The record of a sum of streams."""
    data = {record.get("data", "") for record in records}
    return {"data": data.pop() if len(data) == 1 else "", "streams": records, "weights": weights, **more}
