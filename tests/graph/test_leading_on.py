"""Where each result of compiled code leads to: no leaf waits in vain, none misses anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from tests.graph.routing import assert_alike, have_routes_soon, known
from tests.leaves import leaf
from tests.native import needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


def two(x: Any, y: Any, _: Any) -> Any:
    """One result of each argument."""
    return x * 2, y * 3


def growing(x: Any, y: Any, limit: Any) -> Any:
    """One result of each argument, behind turns."""
    x = x * 2
    while x.sum() < limit.sum():
        x, y = x * 2, y * 3
    return x, y


def behind(x: Any, y: Any, limit: Any) -> Any:
    """The same, and a path behind the turns."""
    x, y = growing(x, y, limit)
    return x.exp(), y.sin()


def listing(x: Any, y: Any, limit: Any) -> Any:
    """Results of each turn, of which the later ones lead to both arguments."""
    found = []
    while x.sum() < limit.sum():
        x = x * 2
        found.append(x)
        if len(found) > 4:
            x = x * y.exp()
    return found[2], found[-1], y * 3


def through_sum(freed: Any, y: Any) -> Any:
    """A history with two branches, of which the one through `freed` raises."""
    return freed.sum() + y.sum()


def through_call(freed: Any, y: Any) -> Any:
    """A line of compiled calls."""
    return torch.compile(lambda a, b: (a * b).sum())(freed, y)


LIMIT = (300.0,)


@pytest.mark.parametrize("then", [through_sum, through_call])
@pytest.mark.parametrize("function", [two, growing, behind, listing])
def test_a_leaf_waits_only_for_what_leads_to_it(function: Callable, then: Callable) -> None:
    """What comes behind an error has not arrived, and what comes before it has, as in eager."""

    def grads(made: Callable) -> list[Any]:
        x, y = leaf(1.0, 2.0), leaf(0.5, -1.0)
        # their node leads to `y`, but the first of the results does not
        first = made(x, y, leaf(*LIMIT))[0]
        freed = torch.compile(torch.exp)(first) if then is through_call else first.exp()
        freed.sum().backward()
        for _ in range(2):
            with pytest.raises(RuntimeError, match="second time"):
                then(freed, y).backward(retain_graph=True)
        return [x.grad.tolist(), y.grad.tolist()]

    compiled = torch.compile(function)
    for _ in range(100):
        compiled(leaf(1.0, 2.0), leaf(0.5, -1.0), leaf(*LIMIT))
    expected = grads(function)
    assert grads(compiled) == expected


def passing_on(a: Any, b: Any, d: Any, rate: Any, limit: Any) -> Any:
    """What one variable gets takes two turns to come to another one."""
    while d.sum() < limit.sum():
        a, b, d = b * 2, d * 2, d * rate
    return a, b, d


def first_of(a: Any, b: Any, d: Any, rate: Any, limit: Any) -> Any:
    """The same, of which one result is returned."""
    a, b, d = passing_on(a, b, d, rate, limit)
    return (a * 3).sum()


def in_either_order(a: Any, b: Any, d: Any, rate: Any, limit: Any) -> Any:
    """Which turns come first decides what leads to what."""
    while (d.abs() < 5).all():
        if ((d * limit).abs() < 24).all():
            a = a * rate
        else:
            b = b * a
        d = d + limit.sign()
    return b, a, d


def given(limit: float) -> list[Any]:
    """Return arguments for the three functions."""
    begin = 1.0 if limit > 0 else 4.0
    return [leaf(1.0, 2.0), leaf(1.0, 1.0), leaf(begin, begin), leaf(2.0, 2.0), leaf(limit)]


@pytest.mark.parametrize("function", [passing_on, first_of])
@pytest.mark.parametrize("begin", [5.0, 9.0, 300.0])
@needs_native
def test_more_or_fewer_turns_lead_to_more_or_less(function: Callable, begin: float) -> None:
    """Of what the calls before found out only what holds for any number of turns is used."""
    limits = [begin] * 40 + [5.0, 9.0, 17.0, 300.0, 9.0, 5.0]
    gradients_agree(function, known(function, *given(300.0)), limits)


@pytest.mark.parametrize("begin", [8.0, -8.0])
def test_the_order_of_turns_decides_what_leads_where(begin: float) -> None:
    """The same ways, taken in another order, lead elsewhere."""
    compiled = torch.compile(in_either_order)
    for _ in range(100):
        compiled(*given(8.0))
        compiled(*given(-8.0))
    gradients_agree(in_either_order, compiled, [begin] * 40 + [-8.0, 8.0, -8.0, 8.0])


def gradients_agree(function: Callable, compiled: Callable, limits: list[float]) -> None:
    """Compare the gradients of one result at a time by one argument at a time."""

    def grads(made: Callable, limit: float, at: int) -> Any:
        args = given(limit)
        results = made(*args)
        result = results[0] if isinstance(results, tuple) else results
        # straight from the node of the results, too
        result = result if result.ndim == 0 else (result * 2).sum()
        found = torch.autograd.grad(result, args[at], allow_unused=True)[0]
        return None if found is None else found.tolist()

    for limit in limits:
        for at in (3, 2, 0):
            assert_alike(grads(compiled, limit, at), grads(function, limit, at))


@pytest.mark.parametrize(
    ("function", "kind"), [(passing_on, "RouteBackward"), (in_either_order, "LoopBackward")]
)
@needs_native
def test_edges_that_lead_on_are_those_that_are_led_to(function: Callable, kind: str) -> None:
    """What is asked from the outputs and what is asked from the edges has one answer."""
    compiled = torch.compile(function)
    kinds = set()
    for _ in range(100):
        for limit in (8.0, 30.0, -8.0):
            node = compiled(*given(limit))[0].grad_fn
            if node is None or not node.unfolds or node.outputs == 1:
                continue
            kinds.add(type(node).__name__)
            for output in range(node.outputs):
                alone = [
                    node.leads(output, [at == edge for at in range(len(node.edges))])
                    for edge in range(len(node.edges))
                ]
                assert list(node.edges_from([output])) == alone
    assert kinds >= {"CompiledBackward", kind}
