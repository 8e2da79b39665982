"""Motion-guided Modulation Network for skeleton-based micro-action recognition.

The names below are imported on first use, so that ``import mmn`` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmn.engine.runtime import tune_runtime
    from mmn.errors import UserError
    from mmn.inference.checkpoint import load_network
    from mmn.inference.infer import infer
    from mmn.inference.predict import Predictor
    from mmn.inference.prepare import prepare
    from mmn.model.mmn import MMN
    from mmn.model.official import from_official, to_official

_HOME = {
    "MMN": "mmn.model.mmn",
    "Predictor": "mmn.inference.predict",
    "UserError": "mmn.errors",
    "from_official": "mmn.model.official",
    "infer": "mmn.inference.infer",
    "load_network": "mmn.inference.checkpoint",
    "prepare": "mmn.inference.prepare",
    "to_official": "mmn.model.official",
    "tune_runtime": "mmn.engine.runtime",
}

__all__ = [
    "MMN", "Predictor", "UserError", "from_official", "infer", "load_network", "prepare", "to_official", "tune_runtime",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mmn' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
