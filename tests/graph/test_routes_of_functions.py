"""Functions with loops, of which many kinds have routes, and others must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from tests.graph.routing import X, agree, have_routes_soon
from tests.leaves import leaf


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


def two_names(x: Any) -> Any:
    x = x * 1.0
    last = x
    while x.sum() < 100:
        x = x * 2
        last = x
    return x + last, last * 2, last is x


def without_histories(x: Any) -> Any:
    x = x * 1.0
    with torch.no_grad():
        while x.sum() < 100:
            x = x * 2
    return x + 1, torch.is_grad_enabled()


def a_mode_that_stays(x: Any) -> Any:
    x = x * 1.0
    torch.set_grad_enabled(False)
    while x.sum() < 100:
        x = x * 2
    torch.set_grad_enabled(True)
    return x + 1


def a_buffer(x: Any) -> Any:
    buffer, x = torch.zeros(2, dtype=torch.float64), x * 1.0
    while x.sum() < 100:
        buffer += 1
        x = x * 2 + buffer
    return x + buffer, buffer, buffer._version


def results_that_depend(x: Any) -> Any:
    x = x * 1.0
    y = x * 1.0
    while x.sum() < 100:
        x = x * 2
        y = x * 3
    return y + 1, x, *torch.autograd.grad(y.sum(), x, retain_graph=True)


def a_tuple(x: Any) -> Any:
    state = x * 1.0, x + 1
    while state[0].sum() < 100:
        first, second = state
        state = first * 2, second + first
    return state[0] + state[1]


def two_states(x: Any) -> Any:
    x, y = x * 1.0, x + 1
    while x.sum() < 100:
        x = x * 2
        y = y * 0.5 + 1
    return x + 1, y * 3, y


def one_of_two_ways(x: Any, limit: float = 1000.0) -> Any:
    x, y = x * 1.0, x + 1
    while x.sum() < 100:
        if x.sum() > limit:
            y = y * 0.5 + 1
        x = x * 2
    return x + 1, y * 3, y


def one_memory(x: Any) -> Any:
    x = x * 1.0
    shown, part = x.detach(), x[:1]
    while x.sum() < 100:
        x = x * 2 + shown
    shown += 1
    return x + part, part, shown


def numbers(x: Any) -> Any:
    n, x = 0, x * 1.0
    while x.sum() < 100:
        x = x * 2
        n += 1
    return x * n, n, f"{n} turns", {"x": x}


def two_loops(x: Any) -> Any:
    x = x * 1.0
    while x.sum() < 100:
        x = x * 2
    y = x - 1
    while y.sum() > 1:
        y = y * 0.5
    return x + y


def leaves_with_gradients(x: Any) -> Any:
    x.grad, y = None, x * 1.0
    while y.sum() < 100:
        y = y * 2 + x
    y.sum().backward()
    return y.detach(), x.grad


def counted(x: Any, n: Any = 20.0) -> Any:
    x, k = x * 1.0, n - 3
    while k > 0:
        x = x * 0.5 + 1
        k = k - 1
    if k > -0.5:
        return x, k
    return x * 2, k


def the_loop_itself(x: Any, n: Any = 20) -> Any:
    for _ in range(n):
        x = x * 0.5 + 1
    return x


@pytest.mark.parametrize(
    "function",
    [
        two_names,
        without_histories,
        a_mode_that_stays,
        a_buffer,
        results_that_depend,
        a_tuple,
        two_states,
        one_of_two_ways,
        one_memory,
        numbers,
        two_loops,
        leaves_with_gradients,
        counted,
        the_loop_itself,
    ],
)
def test_many_functions(function: Callable) -> None:
    compiled = torch.compile(function)
    for begin in (X, (0.5, 0.25), (30.0, 3.0), (200.0, 1.0), (3.0, 1.0), X):
        for _ in range(3):
            agree(function, compiled, leaf(*begin))
        agree(function, compiled, leaf(*begin) * 1)
    if function is one_of_two_ways:
        for limit in (10.0, 1000.0, 90.0, 0.0, 1000.0):
            agree(function, compiled, leaf(*X), limit)
    if function in (counted, the_loop_itself):
        kind = float if function is counted else int
        for n in (20, 7, 4, 3, 2, 1, 0, -1, 3.75, 3.25, 9.75, 9.25, 100, 20):
            agree(function, compiled, leaf(*X), kind(n))
