"""Native loops of one function each: their tapes, their facts, and what is none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from tests.graph.cycling import have_loops_at_once, loops_of, turns_of
from tests.native import needs_native

pytestmark = needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_loops_at_once(monkeypatch)


def test_a_long_loop_goes_forth_and_back() -> None:
    @torch.compile
    def f(x, w, n):
        for _ in range(n):
            x = x * w + 0.125
        return x

    def run(n: int) -> None:
        x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        y = f(x, w, n)
        (y * 1).backward()
        value, by_w, by_x = 1.0, 0.0, 1.0
        for _ in range(n):
            value, by_w, by_x = value * 0.5 + 0.125, value + by_w * 0.5, by_x * 0.5
        found = 0.0 if w.grad is None else w.grad.item()
        assert (y.item(), found, x.grad.item()) == (value, by_w, by_x)

    for n in (20, 21, 22, 23, 0, 1, 2, 3, 4):
        run(n)
    known = f.graph.traces
    for n in (3, 1000, 100_000, 0, 1, 7):
        run(n)
    assert f.graph.traces == known
    loop = max(loops_of(f), key=turns_of)
    assert turns_of(loop) > 100_000
    assert any(each.plans for each in loop.layout.reverses.values())


def test_a_loop_over_rows_is_recorded_for_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "unroll", 32)

    @torch.compile
    def f(xs, ys, w):
        h = w
        for x in xs:
            h = torch.tanh(x + h * w)
        for i, (x, y) in enumerate(zip(xs, ys)):
            h = torch.sin(x * h + y) + i % 2
        return h

    for n in (50, 1000, 50, 1000, 50):
        xs, w = torch.ones(n, 2, requires_grad=True), torch.ones(2, requires_grad=True)
        f(xs, torch.ones(n + 1, 2), w).sum().backward()
    assert not f.explain().exits
    # for each length: up to the first loop, a turn of it, what comes behind, and so on
    assert f.graph.traces <= 16
    steps = [len(segment.steps) for segment in f.graph.segments]
    assert max(steps) < 20, steps
    assert {turns_of(each) > 30 for each in loops_of(f)} == {True}


def test_a_loop_without_history_needs_no_memory() -> None:
    @torch.compile
    def f(n):
        x = torch.zeros(())
        while x < n:
            x = x + 1
        return x

    for n in (20, 21, 3_000_000):
        assert f(torch.tensor(float(n))).item() == n
    (loop,) = loops_of(f)
    assert loop.layout is None


def test_facts_of_the_turns_are_looked_at_when_a_loop_begins() -> None:
    table = {"scale": 2.0, "name": "a"}

    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x + (table["scale"] if table["name"] == "a" else 100.0)
        return x

    for n in (10, 20, 30):
        assert f(torch.zeros(()), n).item() == 2 * n
    table["scale"] = 3.0
    assert f(torch.zeros(()), 20).item() == 60
    table["name"] = "b"
    assert f(torch.zeros(()), 20).item() == 2000
    table["name"] = "a"
    assert f(torch.zeros(()), 20).item() == 60


def test_what_changes_others_is_no_native_loop() -> None:
    box = {"n": 0}

    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x * 0.5
            box["n"] += 1
        return x

    for n in (20, 21, 22):
        f(torch.ones(()), n)
    assert box["n"] == 63
    assert not loops_of(f)
    assert "it changes what others can see" in f.graph.unmerged.values()


def _one_in_two_places(state, x, w):
    a, b = state
    new = a * 0.5 + b * w
    return new, (new, new)


def _shared_memory(state, x, w):
    a, b = state
    new = a * 0.5 + b * w
    return x * w, (new, new.detach())


def _another_shape(state, x, w):
    a, b = state
    return x * w, (torch.cat([a, b])[: 3 + (len(a) == 3)], b)


def _another_type(state, x, w):
    a, b = state
    return x * w, (b, a)


def _another_length(state, x, w):
    return x * w, (*state, x)[-3:]


@pytest.mark.parametrize(
    "step",
    [_one_in_two_places, _shared_memory, _another_shape, _another_type, _another_length],
)
def test_parts_of_other_kinds(step: Callable) -> None:
    """They are no parts of a native loop, or it stays right."""

    def f(x, w, n):
        state: Any = (x * 2, x * 3)
        if step is _another_type:
            state = (0.5, 2)
        seen = 0
        for i in range(n):
            if i % 100 != 99:
                state_before = state
                x, state = step(state_before, x, w)
                if step is not _another_type:
                    seen = seen * 3 % 1000 + (state_before[0] is state_before[1])
        return x, state, seen

    compiled = torch.compile(f)
    for n in (20, 21, 22, 1, 0, 23, 24):
        x, state, seen = compiled(torch.ones(3), torch.full((3,), 0.5), n)
        y, expected, known = f(torch.ones(3), torch.full((3,), 0.5), n)
        assert (x.tolist(), seen, len(state)) == (y.tolist(), known, len(expected))
        for each, other in zip(state, expected):
            assert type(each) is type(other)
            assert str(each) == str(other)
        assert (state[0] is state[1]) == (expected[0] is expected[1])
        if torch.is_tensor(state[0]) and n > 2:
            assert (state[0] is x) == (expected[0] is y)
            x.add_(1)
            y.add_(1)
            assert str(state[0]) == str(expected[0])


def test_a_loop_sees_what_another_thread_changes() -> None:
    box = SimpleNamespace(stop=False)

    @torch.compile
    def f(x, most):
        turns = 0
        while not box.stop and turns < most:
            x = x * 0.5 + 1
            turns += 1
        return x, turns

    for most in (300, 301, 302, 303):
        assert f(torch.ones(()), most)[1] == most
    before = sum(map(turns_of, loops_of(f)))
    assert before > 500
    threading.Timer(0.2, setattr, (box, "stop", True)).start()
    _, turns = f(torch.ones(()), 10**9)
    assert turns < 10**9
    assert sum(map(turns_of, loops_of(f))) > before


def test_a_tape_that_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.compile
    def f(x, n):
        for _ in range(n):
            x = x.sin()
        return x

    for n in (20, 21, 22):
        f(torch.ones(10, requires_grad=True), n)
    monkeypatch.setattr(config, "max_tape", 4000)
    f(torch.ones(10, requires_grad=True), 50)
    f(torch.ones(10), 10_000)
    with pytest.raises(MemoryError, match=r"_loops.py:\d+: what its turns leave .* 4000 byte"):
        f(torch.ones(10, requires_grad=True), 10_000)
    monkeypatch.setattr(config, "max_tape", 0)
    x = torch.ones(10, requires_grad=True)
    f(x, 10_000).sum().backward()
    assert x.grad is not None


def test_memory_from_outside_does_not_go_from_turn_to_turn() -> None:
    box = SimpleNamespace(w=torch.tensor([5.0, 6.0]))

    @torch.compile
    def f(x, n):
        y = x * 0
        for _ in range(n):
            y = y + x
            x = box.w.detach()
        box.w.add_(1)
        return y, x

    for n in (20, 21, 22, 23, 1, 2, 24):
        box.w = torch.tensor([5.0, 6.0])
        y, x = f(torch.tensor([1.0, 2.0]), n)
        assert y.tolist() == [5.0 * n - 4, 6.0 * n - 4]
        assert x.tolist() == [6.0, 7.0]
        box.w.add_(1)
        assert x.tolist() == [7.0, 8.0]


def test_a_tensor_that_changes_is_not_read_as_one_outside() -> None:
    """What `box.w` shares its memory with changes, and so does what `x` has as an attribute."""
    box = SimpleNamespace(w=None)

    @torch.compile
    def f(x, n):
        same = 0
        for _ in range(n):
            same = same * 2 + (x is box.w)
            x = x * 0.5 + 1
        return x, same

    for n in (10, 11, 12, 9, 3):
        for own in (True, False):
            x = torch.tensor([1.0, 2.0])
            box.w = x if own else torch.tensor([1.0, 2.0])
            assert f(x, n)[1] == (2 ** (n - 1) if own else 0)
