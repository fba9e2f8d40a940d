"""What happens behind the guards of a route, before it comes to a gradient, is seen there."""

# ruff: noqa: F811
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from tests.graph.routing import USUAL, assert_alike, have_routes_soon, routes_of
from tests.graph.test_route_gradients import (
    SHIFTED,
    agree,
    args_of,
    goes_through,
    inlined,  # noqa: F401 the fixture
    is_inlined,
    kept,
    known,
    last,
    loss_of,
    passes,  # noqa: F401 the fixture
    seen,
)
from tests.native import needs_native

pytestmark = needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


LEAVES: list[Any] = []


def of_many(x: Any, rate: Any) -> Any:
    """Nothing but the gradient is told what is in a list."""
    loss = loss_of(x, rate)
    return torch.autograd.grad(loss, LEAVES)


@pytest.mark.parametrize(
    "pick",
    [
        lambda x, rate: [x],
        lambda x, rate: [x, rate],
        lambda x, rate: [rate, rate],
        lambda x, rate: [],
        lambda x, rate: [None],
        lambda x, rate: [SHIFTED],
        lambda x, rate: [rate * 1],
    ],
    ids=["other", "more", "twice", "none", "no tensor", "unused", "derived"],
)
def test_other_leaves_in_a_list(
    pick: Callable, inlined: bool, passes: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at, and once more where the gradient is asked for."""
    given: list[Any] = []

    def args() -> tuple:
        given[:] = args_of()
        LEAVES[:] = given[1:]
        return tuple(given)

    def others() -> tuple:
        args()
        LEAVES[:] = pick(*given)
        return tuple(given)

    compiled = torch.compile(of_many)
    for _ in range(2 * USUAL):
        compiled(*args())
    assert goes_through(compiled) and is_inlined(compiled) == inlined
    del passes[:]
    agree(of_many, compiled, args)
    assert passes == [True] * 5
    route = routes_of(compiled)[0]
    changed: list[bool] = []
    for function in (route.run, route.direct):
        space = function.__globals__
        name = next(name for name, each in space.items() if getattr(each, "__name__", "") == "run")

        def meanwhile(*arrays: Any, run: Any = space[name]) -> Any:
            # as another thread may do
            LEAVES[:] = pick(*given)
            changed.append(True)
            return run(*arrays)

        monkeypatch.setitem(space, name, meanwhile)
    found = seen(compiled, *args())
    assert changed
    assert_alike(found, seen(of_many, *others()))
    monkeypatch.undo()
    agree(of_many, compiled, others)
    agree(of_many, compiled, args)


def write(x: Any, rate: Any) -> None:
    with torch.no_grad():
        rate.mul_(2)


def hook(x: Any, rate: Any) -> None:
    rate.register_hook(lambda flow: flow * 2)


def hook_another(x: Any, rate: Any) -> None:
    x.register_hook(lambda flow: flow * 2)


def drop(x: Any, rate: Any) -> None:
    rate.requires_grad_(False)


@pytest.mark.parametrize("inlined", [True], indirect=True)
@pytest.mark.parametrize("function", [last, kept])
@pytest.mark.parametrize(("event", "stage"), [(write, 1), (hook, 0), (hook_another, 0), (drop, 0)])
def test_what_happens_meanwhile(
    event: Callable, stage: int, function: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another thread does something behind the guards, the call is done once more."""
    compiled = known(function)
    given: list[Any] = []

    def args() -> tuple:
        given[:] = args_of()
        return tuple(given)

    route = routes_of(compiled)[0]
    for each in (route.run, route.direct):
        space = each.__globals__
        names = [name for name, each in space.items() if getattr(each, "__name__", "") == "run"]
        # that of one of the paths in front of the gradient
        name = [name for name in names if name.startswith("c")][stage]

        def meanwhile(*arrays: Any, run: Any = space[name]) -> Any:
            made = run(*arrays)
            if given:
                event(*given)
                given.clear()
            return made

        monkeypatch.setitem(space, name, meanwhile)
    others = args_of()
    event(*others)
    expected = seen(function, *others)
    assert_alike(seen(compiled, *args()), expected)
    assert not given
