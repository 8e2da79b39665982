"""Motion-guided Modulation Network for skeleton-based micro-action recognition.

The names below load what they need at first use, so that ``import mmn`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmn.checkpoint import load_network
    from mmn.data.preprocess import prepare
    from mmn.errors import UserError
    from mmn.inference import infer
    from mmn.network.mmn import MMN
    from mmn.network.official import from_official, to_official
    from mmn.runtime import tune_runtime

_HOME = {
    "MMN": "mmn.network.mmn",
    "UserError": "mmn.errors",
    "from_official": "mmn.network.official",
    "infer": "mmn.inference",
    "load_network": "mmn.checkpoint",
    "prepare": "mmn.data.preprocess",
    "to_official": "mmn.network.official",
    "tune_runtime": "mmn.runtime",
}

__all__ = ["MMN", "UserError", "from_official", "infer", "load_network", "prepare", "to_official", "tune_runtime"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'mmn' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
