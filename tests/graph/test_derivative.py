"""Derivatives of replays: recorded at the first backward, run natively afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import cycles, replay, tape
from jitgrad.graph.loop_node import LoopBackward
from jitgrad.graph.tape import CompiledBackward
from tests.graph import programs_small as programs
from tests.graph.programs import T, grad
from tests.native import needs_native


def test_the_results_of_a_replay_have_one_node() -> None:
    def f(x):
        return x * 2, x.exp()

    f = torch.compile(f)
    f(grad(1.0))
    a, b = f(grad(1.0))
    assert isinstance(a.grad_fn, CompiledBackward)
    assert a.grad_fn is b.grad_fn
    assert (a.output_nr, b.output_nr) == (0, 1)


def test_derivatives_are_recorded_once_for_each_use() -> None:
    def f(x, y):
        return (x * y).sum(), x.exp().sum()

    f = torch.compile(f)
    for _ in range(3):
        x, y = grad(1.0, 2.0), grad(3.0, 4.0)
        a, b = f(x, y)
        (a + b).backward()
    (segment,) = f.graph.segments
    assert len(segment.derivatives) == 1
    x, y = grad(1.0, 2.0), grad(3.0, 4.0)
    f(x, y)[1].backward()
    assert len(segment.derivatives) == 2
    torch.autograd.grad(f(x, y)[0], y)
    assert len(segment.derivatives) == 3
    for derivative in segment.derivatives.values():
        assert derivative.program is not None


def test_a_loop_gives_the_chain_of_its_turns() -> None:
    f = torch.compile(programs.grow)
    for value in (1.0, 3.0, 1.0, 60.0, 5.0, 3.0):
        x = grad(value)
        d = f(x)
        d.backward()
        assert x.grad.item() == d.item() / value


def test_unused_inputs_have_no_gradient() -> None:
    def f(x, y):
        return (x * 2).sum()

    f = torch.compile(f)
    for _ in range(3):
        x, y = grad(1.0), grad(2.0)
        f(x, y).backward()
        assert y.grad is None
        with pytest.raises(RuntimeError, match="not have been used"):
            torch.autograd.grad(f(x, y), y)


def test_a_second_backward_raises() -> None:
    def f(x):
        return x.exp().sum()

    f = torch.compile(f)
    f(grad(1.0))
    y = f(grad(1.0))
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    y = f(grad(1.0))
    y.backward(retain_graph=True)
    y.backward()


def test_what_saves_nothing_may_be_walked_twice() -> None:
    f = torch.compile(lambda x: (x + 1).sum())
    f(grad(1.0))
    x = grad(1.0)
    y = f(x)
    y.backward()
    y.backward()
    assert x.grad.item() == 2


@pytest.mark.parametrize("times", [1, 2, 6])
def test_the_error_names_what_eager_would_have_met_first(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several operations have saved what was written then."""
    for module in (replay, tape):
        monkeypatch.setattr(module, "WARM", 2)

    def f(x):
        return ((x * x).sin() * x.cos()).exp() + x

    compiled, told = torch.compile(f), []
    for function in (f, compiled):
        for _ in range(times):
            function(grad(1.0, 2.0)).sum().backward()
        x = grad(1.0, 2.0)
        y = function(x)
        with torch.no_grad():
            x.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace") as raised:
            y.sum().backward()
        told.append(str(raised.value))
    assert told[0] == told[1] and "[cos]" in told[0]


def test_gradients_of_gradients() -> None:
    f = torch.compile(lambda x: (x**4).sum())
    for _ in range(2):
        x = grad(2.0)
        first = torch.autograd.grad(f(x), x, create_graph=True)[0]
        second = torch.autograd.grad(first, x, create_graph=True)[0]
        (third,) = torch.autograd.grad(second, x)
        assert (first.item(), second.item(), third.item()) == (32, 48, 48)


def test_arguments_are_copied_only_when_they_are_about_to_change() -> None:
    f = torch.compile(lambda x: (x * 2).sin().sum())
    f(grad(1.0) * 1)
    source = grad(1.0)
    x = source * 1
    y = f(x)
    tape = y.grad_fn.tape
    assert not tape.copies
    with torch.no_grad():
        x.add_(5)
    assert len(tape.copies) == 1
    y.backward()
    assert abs(source.grad.item() - 2 * torch.cos(T(2.0)).item()) < 1e-6


def test_memory_is_freed_with_the_graph() -> None:
    f = torch.compile(lambda x: x.exp().sum())
    f(grad(1.0))
    y = f(grad(1.0))
    tape = y.grad_fn.tape
    assert tape.values
    y.backward()
    assert not tape.values


@pytest.mark.parametrize("turns", [0, 300])
@pytest.mark.parametrize("first", ["product", "sum", "mean of rows"])
def test_cotangents_that_were_expanded_meet_others(
    first: str, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All elements of such a one are in one place, those of the sum are not."""
    for module in (replay, tape, cycles):
        monkeypatch.setattr(module, "WARM", 2)

    def product(x: Any, w: Any) -> Any:
        return (x * w).sum()

    def total(x: Any, w: Any) -> Any:
        return x.sum() * 2

    def mean(x: Any, w: Any) -> Any:
        return x.mean(0).sum() + x[1].sum()

    parts = {"product": product, "sum": total, "mean of rows": mean}
    ways = [parts.pop(first), *parts.values()]

    def f(x: Any, w: Any) -> Any:
        found = ways[0](x, w)
        if found > -1e9:
            found = found + ways[1](x, w)
        for _ in range(turns):
            found = found + ways[1](x, w) * 0.5
            x = x * w + ways[2](x, w) * 0.01
        if found > -1e9:
            found = found + ways[2](x, w)
        return found

    compiled = torch.compile(f)
    w = torch.tensor([[0.25, 0.5, 0.125], [0.5, 0.25, 0.25]], dtype=torch.float64)
    for _ in range(12):
        found = []
        for function in (f, compiled):
            x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=torch.float64)
            x.requires_grad_()
            result = function(x, w)
            result.backward()
            found.append((result.item(), x.grad.tolist()))
        assert found[0][0] == pytest.approx(found[1][0])
        for mine, theirs in zip(*(rows for _, rows in found)):
            assert mine == pytest.approx(theirs)


def turn_after_turn(x: Any, rate: Any, turns: int) -> Any:
    for at in range(turns):
        x = (x * rate).sin() if at % 3 == 1 else x.cos() * rate
    return x


def natively_turned(turns: int, first: int = 50) -> tuple[Any, Any]:
    """Return what a native loop has made, and a leaf behind it."""
    f = torch.compile(turn_after_turn)
    for number in range(40):
        x, rate = grad(0.5), grad(0.9 + number / 100)
        f(x, rate, first + number % 7).backward()
    assert any(each["native"] for each in f.explain().loops)
    rate = grad(0.9)
    return f(grad(0.5), rate, turns), rate


@pytest.mark.parametrize("first", [50, 51])
@pytest.mark.parametrize("turns", [60, 61, 62])
@needs_native
def test_turns_go_back_the_way_that_they_came(turns: int, first: int) -> None:
    y, rate = natively_turned(turns, first)
    y.backward()
    wanted = grad(0.9)
    turn_after_turn(grad(0.5), wanted, turns).backward()
    assert rate.grad.item() == pytest.approx(wanted.grad.item(), 1e-5)


@needs_native
def test_turns_go_back_once() -> None:
    y, rate = natively_turned(60)
    assert isinstance(y.grad_fn, LoopBackward)
    y.backward(retain_graph=True)
    y.backward()
    before = rate.grad.item()
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()
    assert rate.grad.item() == before
    # and what the turns have left is gone
    assert not any(
        isinstance(each, np.ndarray)
        for passage in y.grad_fn.past.passages.values()
        for each in (*passage.records.values(), *passage.invariant.values())
    )


def test_what_leads_to_another_result_of_one_node_is_left_out() -> None:
    """Eager finds no way from one to the other, and asks for nothing that has been saved."""

    def pair(x, w):
        return x * 2, w * 3

    def slopes(pair):
        x, w = grad(1.0, 2.0), grad(3.0, 4.0)
        a, b = pair(x, w)
        c = a.exp() * a
        with torch.no_grad():
            a.mul_(2)
        ways = torch.autograd.grad(c.sum(), [c, b], allow_unused=True, retain_graph=True)
        with pytest.raises(RuntimeError, match="modified by an inplace"):
            torch.autograd.grad(c.sum(), [x, b], allow_unused=True)
        return [None if each is None else each.tolist() for each in ways]

    compiled = torch.compile(pair)
    for _ in range(3):
        assert slopes(compiled) == slopes(pair) == [[1.0, 1.0], None]
