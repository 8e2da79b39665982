"""Safe reading of weight files: checksums are verified, and nothing is executed."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmn.errors import UserError
from mmn.outside import from_outside, memory_for


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a file; nothing in it is executed.

    Raises:
        UserError: no such file, a damaged one, or one that holds more than weights and plain values.
    """
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}; give the path of an existing one.")
    with from_outside(path, "checkpoint"):
        if zipfile.is_zipfile(path):  # torch itself does not verify the checksums it writes
            _verify(path)
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise UserError(
                f"{path} holds more than weights and plain values, or is damaged; nothing in it was executed. "
                "Save the state dict alone, or get the file again."
            ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a checkpoint; save the state dict.")
    return content


def _verify(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > memory_for(path.stat().st_size):
            raise UserError(f"{path} unpacks to more than a file of its size should; get it again.")
        if damaged := archive.testzip():
            raise UserError(
                f"{path} is damaged (wrong checksum of {damaged}); get it again, or use another checkpoint of the run."
            )


def check_weights(state: Any, where: str) -> dict[str, Tensor]:
    """Check that all entries of a state dict are complete, finite tensors.

    Raises:
        UserError: naming the entry.
    """
    if not isinstance(state, dict) or not state:
        raise UserError(f"{where} holds no weights; get it again.")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(f"{where}: the entry {str(name)[:80]} is a {type(value).__name__}, not a tensor.")
        if value.layout != torch.strided or value.is_quantized:
            raise UserError(f"{where}: the weight {name} is not a plain tensor; save it as one.")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise UserError(f"{where}: the weight {name} declares more data than the file holds.")
        if not torch.isfinite(value).all():
            raise UserError(f"{where}: the weight {name} is not finite; use another checkpoint, or train it again.")
    return state
