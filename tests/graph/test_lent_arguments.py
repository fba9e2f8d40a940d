"""Arguments in memory that NumPy has, too: passes are native unless somebody has written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph.tape import CompiledBackward
from tests.graph.routing import assert_alike
from tests.graph.shortcutting import described


def chain(x: Any, w: Any) -> Any:
    """The hyperbolic tangent is recomputed from what eager has saved of the product, too."""
    return ((x * w).tanh() * w).sum()


def shifted(x: Any, w: Any) -> Any:
    """Eager saves the sum alone, and what it comes from is kept instead."""
    return ((x + w).exp() * (x + w).sin()).sum()


def inverse(x: Any, w: Any) -> Any:
    """Where a zero's sign matters."""
    return (w / x).sum() + (x * w).tanh().sum()


FUNCTIONS = (chain, shifted, inverse)


@pytest.fixture
def unfolded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each node that was gone through as the nodes that eager would have."""
    found: list[int] = []
    real = CompiledBackward.unfold

    def unfold(self: Any, *given: Any) -> Any:
        found.append(1)
        return real(self, *given)

    monkeypatch.setattr(CompiledBackward, "unfold", unfold)
    return found


def nothing(array: Any, x: Any) -> None:
    """Leave all as it is."""


def write(array: Any, x: Any) -> None:
    array[1] = 3.0


def write_and_put_back(array: Any, x: Any) -> None:
    before = array.copy()
    array[...] = 7
    array[...] = before


def turn_the_sign_of_a_zero(array: Any, x: Any) -> None:
    array[0] = -array[0]


def write_where_it_is_seen(array: Any, x: Any) -> None:
    x.mul_(1)


CHANGES = (nothing, write, write_and_put_back, turn_the_sign_of_a_zero, write_where_it_is_seen)


def seen(function: Callable, plain: Callable, change: Callable, first: float) -> Any:
    """Return what comes of a call and a pass between which something changes."""
    array = np.array([first, -2.0, 1.5])
    x = torch.from_numpy(array)
    w = torch.tensor([0.5, 1.25, -0.75], dtype=torch.float64, requires_grad=True)
    result = function(x, w)
    change(array, x)
    try:
        result.backward()
    except RuntimeError as error:
        return str(error)
    return described([result, w.grad]), array.tolist()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_passes_are_those_of_eager(function: Callable, change: Callable) -> None:
    compiled = torch.compile(function)
    with np.errstate(all="ignore"):
        for first in (0.5, 0.0, -0.0, float("nan"), 0.25) * 20:
            expected = seen(function, function, change, first)
            assert_alike(seen(compiled, function, change, first), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_usual_passes_are_native(function: Callable, unfolded: list[int]) -> None:
    compiled = torch.compile(function)
    for _ in range(100):
        seen(compiled, function, nothing, 0.5)
    del unfolded[:]
    for change in (nothing, write_and_put_back):
        for first in (0.5, float("nan")):
            seen(compiled, function, change, first)
    assert not unfolded


@pytest.mark.parametrize("function", [chain, inverse])
def test_what_has_been_written_is_not_read_natively(
    function: Callable, unfolded: list[int]
) -> None:
    compiled = torch.compile(function)
    for _ in range(100):
        seen(compiled, function, nothing, 0.0)
    del unfolded[:]
    for change in (write, turn_the_sign_of_a_zero):
        seen(compiled, function, change, 0.0)
    assert len(unfolded) == 2


def test_weights_that_numpy_has_seen() -> None:
    """A step with such a weight, which is written after the pass."""

    def step(x: Any, w: Any) -> Any:
        loss = chain(x, w)
        loss.backward()
        with torch.no_grad():
            w.sub_(0.01 * w.grad)
        w.grad = None
        return loss.detach()

    results = []
    for function in (torch.compile(step), step):
        array = np.array([0.5, -0.25])
        w = torch.from_numpy(array).requires_grad_()
        x = torch.from_numpy(array[::-1].copy())
        found = []
        for turn in range(100):
            found.append(described([function(x, w), w]))
            if turn % 10 == 9:
                array *= 1.5
        results.append(found)
    assert_alike(*results)
