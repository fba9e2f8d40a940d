"""What tests of shortcuts share: functions that have one, and what can be seen of their calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jitgrad as torch
from jitgrad.graph.hot import WARM
from jitgrad.graph.shortcuts import take_shortcut

Program = Callable[..., Any]


def described(value: Any) -> Any:
    """Return what can be seen of a result."""
    if isinstance(value, torch.Tensor):
        array = value.detach().numpy()
        return type(value), array.dtype, array.shape, array.tolist(), value.requires_grad
    if isinstance(value, (list, tuple)):
        return type(value), [described(each) for each in value]
    if isinstance(value, dict):
        return dict, list(value), [described(each) for each in value.values()]
    return type(value), value


def known(function: Program, *args: Any, **kwargs: Any) -> Any:
    """Return the function compiled, with a shortcut for calls like this one."""
    compiled = torch.compile(function)
    for _ in range(2 * WARM):
        compiled(*args, **kwargs)
    assert takes(compiled, *args, **kwargs)
    return compiled


def takes(compiled: Any, *args: Any, **kwargs: Any) -> bool:
    """Is there a shortcut for this call? It is done on the way."""
    values = [*args, *kwargs.values()]
    return take_shortcut(compiled.graph.entrance, values, tuple(kwargs)) is not None


def agree(function: Program, compiled: Any, *args: Any, **kwargs: Any) -> None:
    """Compare a call, eager and compiled, time and again, until it is known, too."""
    for _ in range(WARM // 8):
        assert described(compiled(*args, **kwargs)) == described(function(*args, **kwargs))


def double(x: Any) -> Any:
    return x * 2
