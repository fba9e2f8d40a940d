"""What tests of routes share: functions that have one, and what can be seen of their calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles, heads, host_calls, replay, routes, tape
from jitgrad.graph.path_writer import MISSED, WRONG
from jitgrad.graph.routes import Route
from tests.graph.shortcutting import described
from tests.leaves import leaf

USUAL = 80
"""So many calls that are alike have a route."""

X, RATE = (1.0, 2.0), (1.5, 1.25)


def x_of() -> Any:
    """Return a new leaf to begin with."""
    return leaf(0.75, -0.5)


def rate_of() -> Any:
    """Return a new leaf by which it grows."""
    return leaf(1.25, 1.5)


def solve(x: Any, rate: Any) -> Any:
    """Tensors of all kinds are saved: from outside, carried by turns, and made behind them."""
    x = x * rate
    while x.abs().sum() < 100:
        x = x * rate + x.tanh()
        if x.sum() > 40:
            x = x * x.detach() + rate.sin()
    return (x * rate).exp().sum() * rate.sum()


def two(x: Any, rate: Any) -> Any:
    """Two results, of which one comes from the loop."""
    x = x * rate
    while x.abs().sum() < 100:
        x = x * rate
    return (x * rate).sum(), (rate * rate).exp()


def have_routes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all that comes of many calls come of few."""
    monkeypatch.setattr(config, "unroll", 4)
    monkeypatch.setattr(heads, "LONG", 3)
    for module in (cycles, replay, tape, host_calls, routes):
        monkeypatch.setattr(module, "WARM", 2)


def routes_of(compiled: Any) -> list[Any]:
    """Return the routes that calls try."""
    return [each for each in compiled.graph.entrance.shortcuts if isinstance(each.hot, Route)]


def takes(compiled: Any, *args: Any, **kwargs: Any) -> bool:
    """Is this call done by a route? It is done on the way."""
    values, names = [*args, *kwargs.values()], tuple(kwargs)
    results = (each.run(values, names) for each in routes_of(compiled))
    return any(result is not MISSED and result is not WRONG for result in results)


def known(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Return the function compiled, once a call like this one is done by a route."""
    compiled = torch.compile(function)
    for _ in range(USUAL):
        compiled(*args, **kwargs)
    assert takes(compiled, *args, **kwargs)
    return compiled


def seen(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """Return what can be seen of a call, and of a backward pass from all that it returns."""
    leaves = [each for each in args if isinstance(each, torch.Tensor) and each.requires_grad]
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)
    found: list[Any] = [described(result)]
    for each in result if isinstance(result, (tuple, list)) else [result]:
        if isinstance(each, torch.Tensor) and each.requires_grad:
            try:
                found.append(described(torch.autograd.grad(each.sum(), leaves, allow_unused=True)))
            except RuntimeError as error:
                found.append(str(error))
    return found


def agree(function: Callable, compiled: Any, *args: Any, **kwargs: Any) -> None:
    """Compare a call, eager and compiled, time and again."""
    for _ in range(12):
        assert_alike(seen(compiled, *args, **kwargs), seen(function, *args, **kwargs))


def assert_alike(found: Any, expected: Any, rel: float = 1e-12) -> None:
    """Compare what has been seen; numbers may differ by rounding, relative to them."""
    if isinstance(expected, (list, tuple)):
        assert type(found) is type(expected) and len(found) == len(expected), (found, expected)
        for pair in zip(found, expected):
            assert_alike(*pair, rel)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=rel, nan_ok=True)
    else:
        assert found == expected
