"""Calls by one function: taken where all is as before, and never where anything is not."""

from __future__ import annotations

import types
from typing import Any

import pytest

import jitgrad as torch
from jitgrad.graph.hot import PATIENCE, WARM
from tests.graph.shortcutting import agree, described, double, known, takes
from tests.leaves import leaf


def test_modes_and_default_types() -> None:
    def shifted(x: Any) -> Any:
        return x + torch.ones(2)

    x = torch.tensor([1.0, 2.0])
    compiled = known(shifted, x)
    torch.set_default_dtype(torch.float64)
    try:
        assert not takes(compiled, x)
        agree(shifted, compiled, x)
    finally:
        torch.set_default_dtype(torch.float32)
    assert takes(compiled, x)


def test_a_call_that_leaves_another_mode() -> None:
    def switched(x: Any) -> Any:
        torch.set_grad_enabled(False)
        return x * 2

    x = leaf(1.0, 2.0)
    compiled = torch.compile(switched)
    for _ in range(2 * WARM):
        assert not compiled(x).requires_grad
        assert not torch.is_grad_enabled()
        torch.set_grad_enabled(True)
    assert takes(compiled, x)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)


FACTOR = torch.tensor(3.0)
RATE = 0.5


def test_what_is_found_outside() -> None:
    cell = 2.0

    def outside(x: Any) -> Any:
        return x * FACTOR * cell + RATE * holder.value + holder.shift(x)

    class Holder:
        value = 4.0

        def shift(self, x: Any) -> Any:
            return x * 0.25

    holder: Any = Holder()
    space = outside.__globals__
    x = leaf(1.0, 2.0)
    compiled = known(outside, x)
    before = dict(space)
    try:
        for change in (
            lambda: space.update(FACTOR=torch.tensor(5.0)),
            lambda: space.update(FACTOR=torch.tensor(5.0, requires_grad=True)),
            lambda: space.update(FACTOR=6.0),
            lambda: space.update(RATE=2),
            lambda: setattr(holder, "value", 1.0),
            lambda: setattr(Holder, "shift", lambda self, x: x * 8),
            lambda: setattr(holder, "shift", lambda x: x * 16),
            lambda: space.update(FACTOR=x),
        ):
            agree(outside, compiled, x)
            change()
            agree(outside, compiled, x)
        cell = 7.0
        agree(outside, compiled, x)
    finally:
        space.update(FACTOR=before["FACTOR"], RATE=before["RATE"])


def test_no_shortcut_hides_what_anomaly_mode_or_other_functions_see() -> None:
    x = leaf(1.0, 2.0)
    compiled = known(double, x)
    with torch.eager():
        agree(double, compiled, x)

    @torch.compile
    def outer(x: Any) -> Any:
        return compiled(x) + 1

    for _ in range(2 * WARM):
        assert outer(x).tolist() == [3.0, 5.0]
    with torch.autograd.detect_anomaly():
        made = compiled(torch.tensor([0.0, float("nan")], requires_grad=True))
        with pytest.raises(RuntimeError, match="nan"):
            made.backward(torch.tensor([1.0, float("nan")]))


def test_new_code_takes_no_old_shortcut() -> None:
    def function(x: Any) -> Any:
        return x * 2

    x = leaf(1.0, 2.0)
    compiled = known(function, x)
    function.__code__ = (lambda x: x * 5).__code__
    agree(function, compiled, x)


def test_a_guess_that_is_wrong() -> None:
    def signed(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else x * 3

    x = leaf(1.0, 2.0)
    compiled = known(signed, x)
    (shortcut,) = compiled.graph.entrance.shortcuts
    agree(signed, compiled, leaf(-1.0, -2.0))
    assert shortcut.hot.credit < PATIENCE
    for _ in range(3 * PATIENCE):
        assert described(compiled(leaf(-1.0, -2.0))) == described(signed(leaf(-1.0, -2.0)))
    assert shortcut not in compiled.graph.entrance.shortcuts
    agree(signed, compiled, x)


@pytest.mark.parametrize("by", [1.0, 0.25])
def test_guesses_that_hang_on_numbers(by: float) -> None:
    def walked(x: Any, step: float, counts: Any, times: int) -> Any:
        time = 0.0
        while time < 1.0:
            x = x * 0.5 + step
            time += step
            if x.sum() > 3:
                x = x - 1
        count = int(counts.sum())
        if count % 3 == 1:
            x = x / count
        scale = 1.0 / (counts[0].item() - 2)
        names = ["none", "one", "two", "three"]
        return x * scale, names[count % 4], time * times

    x = leaf(1.0, 2.0)
    counts = torch.tensor([3, 4])
    compiled = torch.compile(walked)
    for times in range(2 * WARM):
        compiled(x, by, counts, times)
    assert takes(compiled, x, by, counts, 5)
    for values in ((3, 4), (3, 5), (4, 4), (3, 8), (5, 6), (3, 4)):
        for other in (x, leaf(-1.0, -2.0), leaf(5.0, 9.0)):
            for step in (by, 0.5, by + 1e-3, 1.5, by):
                agree(walked, compiled, other, step, torch.tensor(values), 7)
    with pytest.raises(ZeroDivisionError):
        compiled(x, by, torch.tensor([2, 5]), 3)
    agree(walked, compiled, x, by, counts, 1 << 70)


def test_many_shapes_each_with_a_shortcut() -> None:
    compiled = torch.compile(double)
    shapes = [torch.ones(n) for n in range(1, 13)]
    for _ in range(2 * WARM):
        for each in shapes:
            assert described(compiled(each)) == described(double(each))
    shortcuts = compiled.graph.entrance.shortcuts
    assert 2 < len(shortcuts) <= 8
    assert sum(takes(compiled, each) for each in shapes) == len(shortcuts)


def test_methods_of_several_objects() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        @torch.compile
        def apply(self, x: Any) -> Any:
            return x * self.by

    one, other = Scale(2.0), Scale(3.0)
    x = leaf(1.0, 2.0)
    for _ in range(2 * WARM):
        assert one.apply(x).tolist() == [2.0, 4.0]
        assert other.apply(x).tolist() == [3.0, 6.0]
    other.by = 4.0
    assert other.apply(x).tolist() == [4.0, 8.0]
    assert isinstance(one.apply, types.MethodType)
