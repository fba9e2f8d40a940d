"""Making modules without initialising them."""

from __future__ import annotations

import inspect
from typing import Any

from jitgrad.nn.modules.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Any:
    """Return `module_cls(*args, **kwargs)` with parameters whose content is not to be relied on.

    As in PyTorch, the class must take `device`. Time is not saved here, random numbers are not:
    there is no device without memory on which they would not be drawn.

    Raises:
        RuntimeError: the class is no module, or takes no `device`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.utils.skip_init(torch.nn.Linear, 2, 3).weight.shape
        torch.Size([3, 2])
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    return module_cls(*args, **kwargs).to_empty(device=kwargs.get("device", "cpu"))
