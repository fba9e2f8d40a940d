"""Many threads in compiled functions: each gets what eager would give it."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import graph
from tests.graph import programs_threads
from tests.graph.together import OFTEN, have_loops_soon, together
from tests.native import needs_native

PROGRAMS = [each for name, each in vars(programs_threads).items() if name.startswith("program_")]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_loops_soon(monkeypatch)


def same(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(map(np.allclose, one, other))


# -- programs with everything at once -------------------------------------------------------


def outcome(function: Callable, given: programs_threads.Given) -> list[Any]:
    """Return all that a call gives: values, gradients, or the exception."""
    x, w = (torch.tensor(each, requires_grad=given.requires_grad) for each in (given.x, given.w))
    try:
        with torch.set_grad_enabled(given.grad_enabled):
            y = function(x, w, given.turns, given.flag)
    except ArithmeticError as error:
        return [str(error) == "as asked for"]
    found = [y.detach().numpy(), y.requires_grad, torch.is_grad_enabled()]
    if y.requires_grad:
        y.sum().backward()
        found += [each.grad.numpy() for each in (x, w) if each.grad is not None]
    return found


def play(make: Callable, rounds: int, calls: int, chance: float) -> None:
    """Let threads call what `make` returns with inputs of their own, from the first call on."""
    for number in range(rounds):
        plain = make()
        compiled = torch.compile(plain)

        def work(seed: int, plain: Any = plain, compiled: Any = compiled) -> None:
            draw = random.Random(seed)
            for _ in range(calls):
                given = programs_threads.Given.drawn(draw)
                expected, found = outcome(plain, given), outcome(compiled, given)
                assert same(expected, found), (given, expected, found)

        works = [lambda seed=seed: work(seed) for seed in range(100 * number, 100 * number + 5)]
        together(*works, chance=chance, seed=number)


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda each: each.__name__[8:])
def test_first_calls_at_once(make: Callable, _interpreted: None) -> None:
    play(make, rounds=3, calls=15, chance=0.01)


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda each: each.__name__[8:])
def test_many_calls_at_once(make: Callable) -> None:
    play(make, rounds=1, calls=60, chance=0.0)


def test_one_thread_records_at_a_time(_interpreted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, inside, most = graph.Graph.evaluate, [], []

    def watched(self: Any, recorder: Any, frames: Any) -> Any:
        inside.append(recorder)
        most.append(len(inside))
        try:
            return evaluate(self, recorder, frames)
        finally:
            inside.remove(recorder)

    monkeypatch.setattr(graph.Graph, "evaluate", watched)
    play(programs_threads.program_branches_and_loops, rounds=1, calls=10, chance=0.02)
    assert max(most) == 1


def test_code_that_is_replaced_under_running_threads(_interpreted: None) -> None:
    def one(x):
        return x + 1 if x.sum() > 0 else x - 1

    def two(x):
        return x * 10 if x.sum() > 0 else x * 20

    bodies = [one.__code__, two.__code__]
    expected = [[2.0, -2.0], [10.0, -20.0]]
    for number in range(5):
        one.__code__ = bodies[0]
        f = torch.compile(one)
        f(torch.ones(1))
        stop = threading.Event()

        def call(f: Any = f, stop: Any = stop) -> None:
            while not stop.is_set():
                assert f(torch.ones(1)).item() in (2.0, 10.0)
                assert f(-torch.ones(1)).item() in (-2.0, -20.0)

        def replace(f: Any = f, one: Any = one, stop: Any = stop) -> None:
            try:
                for at in (1, 0, 1):
                    one.__code__ = bodies[at]
                    for _ in range(3):
                        found = [f(torch.ones(1)).item(), f(-torch.ones(1)).item()]
                        assert found == expected[at], (found, at)
            finally:
                stop.set()

        together(call, call, replace, chance=OFTEN, seed=number)
        assert [f(torch.ones(1)).item(), f(-torch.ones(1)).item()] == expected[1]


def test_code_that_is_replaced_while_a_recording_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(x):
        return x + 1

    def two(x):
        return x * 10

    f = torch.compile(one)
    f(torch.ones(2))
    begun, forgotten, recorded = (threading.Event() for _ in range(3))
    lock: Any = graph.Graph.lock
    forget = graph.Graph.forget

    def begins(self: Any) -> Any:
        if threading.current_thread() is other:
            begun.set()
            forgotten.wait(0.5)
        return lock.fget(self)

    def forgets(self: Any) -> None:
        forget(self)
        forgotten.set()
        recorded.wait(0.5)

    def call() -> None:
        f(torch.ones(3))
        recorded.set()

    other = threading.Thread(target=call)
    monkeypatch.setattr(graph.Graph, "lock", property(begins))
    monkeypatch.setattr(graph.Graph, "forget", forgets)
    other.start()
    begun.wait(10)
    one.__code__ = two.__code__
    for _ in range(4):
        assert f(torch.ones(3)).tolist() == [10.0] * 3
        other.join(2)


def test_a_rest_comes_to_its_end(_interpreted: None) -> None:
    f = torch.compile(lambda x: x + 1)
    f(torch.ones(1))
    for number in range(20):
        f.graph.resting.left = 3
        together(*[lambda: f(torch.ones(1))] * 6, chance=OFTEN, seed=number)
        assert not f.explain().resting
        before = f.graph.calls
        f(torch.ones(1))
        assert f.graph.calls == before + 1


def test_guards_and_programs_are_made_whoever_counts(_interpreted: None) -> None:
    box = SimpleNamespace(rate=0.5)
    for number in range(30):
        f = torch.compile(lambda x: (x * box.rate).sum())
        f(torch.ones(1))
        f(torch.ones(1))
        together(*[lambda f=f: f(torch.ones(1))] * 6, chance=0.5, seed=number)
        assert all(each.guards for each in f.graph.segments)


def test_reports_while_others_record(_interpreted: None) -> None:
    for make in PROGRAMS:
        f = torch.compile(make())
        done = threading.Event()

        def call(f: Any = f, done: Any = done) -> None:
            draw = random.Random(0)
            try:
                for _ in range(30):
                    outcome(f, programs_threads.Given.drawn(draw))
            finally:
                done.set()

        def read(f: Any = f, done: Any = done) -> None:
            while not done.is_set():
                assert str(f.explain())
                assert f.trace is not None
                assert f.explain().data

        together(call, read, chance=0.02)


# -- what threads share ---------------------------------------------------------------------


def test_a_lock_of_the_user() -> None:
    box = SimpleNamespace(count=0, total=torch.zeros(3), lock=threading.Lock())

    @torch.compile
    def f(x):
        y = x * 2
        with box.lock:
            box.count += 1
            box.total += y
        return y

    together(*[lambda: [f(torch.ones(3)) for _ in range(50)]] * 4, chance=0.002)
    assert box.count == 200
    assert box.total.tolist() == [400.0] * 3


def test_grad_modes_are_those_of_the_thread() -> None:
    @torch.compile
    def f(x):
        with torch.no_grad():
            y = x * 2
        return y, x * 3

    def work(enabled: bool) -> None:
        x = torch.ones(2, requires_grad=True)
        with torch.set_grad_enabled(enabled):
            for _ in range(100):
                y, z = f(x)
                assert (y.requires_grad, z.requires_grad) == (False, enabled)
                assert torch.is_grad_enabled() == enabled

    together(*[lambda enabled=enabled: work(enabled) for enabled in (True, False) * 3])


def test_random_numbers_are_drawn_once() -> None:
    f = torch.compile(lambda x: x + torch.rand(1))
    f(torch.zeros(1))
    for number in range(20):
        torch.manual_seed(number)
        draws = [lambda: [f(torch.zeros(1)).item() for _ in range(5)]] * 4
        found = [each for one in together(*draws, chance=OFTEN, seed=number) for each in one]
        torch.manual_seed(number)
        assert sorted(found) == sorted(torch.rand(1).item() for _ in range(20))


def test_generators_of_threads_give_their_own_streams() -> None:
    def f(x, generator):
        return x + torch.rand(2, generator=generator) * torch.randn(2, generator=generator)

    compiled = torch.compile(f)

    def work(seed: int) -> None:
        one, other = (torch.Generator().manual_seed(seed) for _ in range(2))
        for _ in range(30):
            expected, found = f(torch.ones(2), one), compiled(torch.ones(2), other)
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)

    together(*[lambda seed=seed: work(seed) for seed in range(5)])


@needs_native
def test_native_loops_in_many_threads() -> None:
    @torch.compile
    def f(x, w, n):
        while n > 0:
            x = (x * w).sin() + 0.1
            n -= 1
        return x

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(20):
            values = [draw.uniform(-1, 1) for _ in range(4)]
            n, found = draw.choice((0, 1, 5, 50, 300)), []
            for function in (f.__compiled_function__, f):
                x = torch.tensor(values[:2], dtype=torch.float64, requires_grad=True)
                w = torch.tensor(values[2:], dtype=torch.float64, requires_grad=True)
                y = function(x, w, n)
                y.sum().backward()
                grads = [each.grad for each in (x, w) if each.grad is not None]
                found.append([each.detach().numpy() for each in (y, *grads)])
            assert same(*found)

    together(*[lambda seed=seed: work(seed) for seed in range(6)])
    ways = [way for one in f.graph.segments for each in one.cycles for way in each.ways]
    assert any(way.segments[-1].hits > 100 for way in ways)


def test_a_long_program_lets_other_threads_run() -> None:
    f = torch.compile(lambda x: (x.sin().exp() + x).tanh().sum())
    big = torch.ones(1 << 22)
    f(big)
    f(big)
    seen: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.append(time.perf_counter())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    before = sys.getswitchinterval()
    # nobody is made to let go of the interpreter: others run only where the program does so
    sys.setswitchinterval(100.0)
    try:
        watcher.start()
        began = time.perf_counter()
        for _ in range(5):
            f(big)
        ended = time.perf_counter()
        stop.set()
        watcher.join()
    finally:
        sys.setswitchinterval(before)
    assert sum(began < each < ended for each in seen) > 5
