"""Routes that end in front of `backward()`, which Python performs, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from tests.graph.programs_host_calls import unseen
from tests.graph.routing import USUAL, assert_alike, have_routes_soon, routes_of
from tests.graph.shortcutting import described
from tests.leaves import leaf
from tests.native import needs_native

pytestmark = needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


def grown(x: Any, rate: Any) -> Any:
    """Turns, which may be none, of two kinds."""
    while x.sum() < 100:
        if x.sum() > 40:
            x = x * 1.25 + rate.sin()
        x = x * rate + x.tanh()
    return x


def cleared(x: Any, rate: Any) -> Any:
    loss = (grown(x, rate) * rate).sum()
    loss.backward()
    found, rate.grad = rate.grad, None
    return loss, found


def gathered(x: Any, rate: Any) -> Any:
    loss = grown(x, rate).exp().log().sum()
    loss.backward()
    return loss


def stepped(x: Any, rate: Any) -> Any:
    """A step of gradient descent, as users write it."""
    loss = (grown(x, rate) * rate - 3).square().mean()
    loss.backward()
    with torch.no_grad():
        rate.sub_(1e-6 * rate.grad)
    rate.grad.zero_()
    return loss.detach()


def kept(x: Any, rate: Any) -> Any:
    loss = grown(x, rate).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    return loss


def chosen(x: Any, rate: Any) -> Any:
    loss = (grown(x, rate) * rate).sum()
    loss.backward(inputs=[rate])
    return x.grad, rate.grad


def weighted(x: Any, rate: Any) -> Any:
    y = grown(x, rate) * 2
    y.backward(rate.detach() + 1)
    return y


def twice(x: Any, rate: Any) -> Any:
    """The second pass is an error."""
    loss = grown(x, rate).square().sum()
    loss.backward()
    loss.backward()
    return loss


FUNCTIONS = (cleared, gathered, stepped, kept, chosen, weighted, twice)


def args_of(first: float) -> tuple[Any, Any]:
    return leaf(first, 2.0), leaf(1.25, 1.5)


def seen(function: Callable, calls: int, first: float, hook: bool) -> list:
    """Return what is seen of several calls with the same leaves."""
    x, rate = args_of(first)
    calls_of_hook: list = []
    if hook:
        rate.register_hook(lambda flow: calls_of_hook.append(flow.tolist()))
    found = []
    for _ in range(calls):
        try:
            found.append(described(function(x, rate)))
        except RuntimeError as error:
            found.append(str(error))
        found.append(described([x, rate, x.grad, rate.grad]))
        found.append([x._version, rate._version, calls_of_hook[:]])
    return found


@pytest.mark.parametrize("hook", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_leaves_have_what_eager_gives_them(function: Callable, hook: bool) -> None:
    compiled = torch.compile(function)
    for _ in range(USUAL):
        try:
            compiled(*args_of(3.0))
        except RuntimeError:
            assert function is twice
    assert routes_of(compiled)
    for first in (3.0, 60.0, 99.0, 3.0, 30.0, 3.5, 0.5, 3.0):
        for _ in range(3):
            assert_alike(seen(compiled, 3, first, hook), seen(function, 3, first, hook))


def test_a_method_of_what_is_made() -> None:
    """What Python is given may be a method of a tensor, or several, one of which is kept."""
    held: list = []
    take = unseen("def f(a, b): held.append(a); return a() + b().sum()", held=held)

    def function(x: Any, rate: Any) -> Any:
        y = grown(x, rate)
        return take(y.sum, (y * 2).tanh) * 2

    compiled = torch.compile(function)
    for _ in range(USUAL):
        compiled(*args_of(3.0))
    assert routes_of(compiled)
    for first in (3.0, 60.0, 99.0, 3.0, 30.0):
        results = []
        for each in (compiled, function):
            x, rate = args_of(first)
            made = each(x, rate)
            method = held[-1]
            grads = torch.autograd.grad(made + method.__self__.sum(), [x, rate], allow_unused=True)
            results.append([described(made), described(list(grads)), method().item()])
        assert_alike(*results)
