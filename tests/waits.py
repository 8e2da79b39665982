"""Refuse what makes a CPU wait for a GPU, without one."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

DEVICE = "meta"
"""Stands in for a GPU: its tensors have no values, so that reading one fails."""


class RefuseWaiting(TorchFunctionMode):
    """Fails where a tensor is created on the device from values, or copied to it without ``non_blocking``."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        if isinstance(result, Tensor) and result.device.type == DEVICE:
            name = getattr(function, "__name__", "")
            assert name != "segment_reduce" or kwargs.get("unsafe"), "checking the lengths waits"
            assert name not in ("tensor", "as_tensor", "new_tensor"), f"{name}{args} waits"
            from_cpu = name in ("to", "copy_") and any(isinstance(x, Tensor) and x.device.type == "cpu" for x in args)
            assert not from_cpu or kwargs.get("non_blocking"), f"{name} waits"
        return result
