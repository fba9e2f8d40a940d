"""Whole calls with native loops as one function: taken where all is as usual, never elsewhere."""

from __future__ import annotations

import signal
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles
from tests.graph.routing import (
    RATE,
    USUAL,
    X,
    agree,
    assert_alike,
    have_routes_soon,
    known,
    routes_of,
    takes,
)
from tests.graph.shortcutting import described
from tests.leaves import leaf
from tests.native import needs_native
from tests.timers import needs_timers

pytestmark = needs_native


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    have_routes_soon(monkeypatch)


def grow(x: Any, rate: Any, end: float = 100.0) -> Any:
    """One loop of one way, and something behind it."""
    x = x * 1.0
    while x.sum() < end:
        x = x * rate + 1
    return x * 2 + rate, x


def test_a_loop_between_two_paths() -> None:
    compiled = known(grow, leaf(*X), leaf(*RATE))
    for begin in (X, (0.5, 0.25), (3.0, -2.0), (99.0, 0.5)):
        agree(grow, compiled, leaf(*begin), leaf(*RATE))
        agree(grow, compiled, leaf(*begin), torch.tensor(RATE, dtype=torch.float64))
    with torch.no_grad():
        agree(grow, compiled, leaf(*X), leaf(*RATE))
    assert takes(compiled, leaf(*X), leaf(*RATE))


def test_no_turn_and_few_turns() -> None:
    compiled = known(grow, leaf(*X), leaf(*RATE))
    for begin in ((200.0, 1.0), (60.0, 39.5), (60.0, 30.0), (30.0, 30.0), (20.0, 15.0)):
        agree(grow, compiled, leaf(*begin), leaf(*RATE))


def test_other_arguments() -> None:
    compiled = known(grow, leaf(*X), leaf(*RATE))
    x, rate = leaf(*X), leaf(*RATE)
    for args, kwargs in [
        ((leaf(1.0, 2.0, 3.0), leaf(1.5, 1.5, 1.5)), {}),
        ((x, leaf(*RATE)), {"end": 50.0}),
        ((x, leaf(*RATE), 1000), {}),
        ((x, rate, True), {}),
        ((x, x), {}),
        ((x, x.detach()), {}),
        ((x.detach(), x), {}),
        ((x, x.view(2)), {}),
        ((leaf(*X, dtype=torch.float32), leaf(*RATE, dtype=torch.float32)), {}),
        ((leaf(*X).expand(3, 2).t()[:, 0], rate), {}),
        ((x * 1, rate * 1), {}),
    ]:
        agree(grow, compiled, *args, **kwargs)
        agree(grow, compiled, x, rate)


def test_histories_are_those_of_eager() -> None:
    compiled = known(grow, leaf(*X), leaf(*RATE))

    def errors(function: Callable) -> list[Any]:
        x, rate = leaf(*X), leaf(*RATE)
        both, last = function(x, rate)
        found: list[Any] = [both.requires_grad, last.requires_grad, both._version, last._version]
        both.sum().backward(retain_graph=True)
        found += [x.grad.tolist(), rate.grad.tolist()]
        (twice,) = torch.autograd.grad((last * last).sum(), rate, create_graph=True)
        found += described(torch.autograd.grad(twice.sum(), [x, rate]))
        for number in range(3):
            both, last = function(x, rate)
            with torch.no_grad():
                (rate, last, both)[number].add_(1)
            for each in (both, last):
                try:
                    each.sum().backward(retain_graph=True)
                    found.append(rate.grad.tolist())
                except RuntimeError as error:
                    found.append(str(error))
        both, last = function(x, rate)
        for _ in range(2):
            try:
                both.sum().backward()
            except RuntimeError as error:
                found.append(str(error))
        return found

    for _ in range(4):
        assert_alike(errors(compiled), errors(grow))
    assert takes(compiled, leaf(*X), leaf(*RATE))


LIMIT, SCALE = 100.0, torch.tensor(2.0, dtype=torch.float64)


def by_globals(x: Any) -> Any:
    x = x + 1
    while x.sum() < LIMIT:
        x = x * 1.5
    return x * SCALE


def test_what_is_outside_is_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x = leaf(*X)
    compiled = known(by_globals, x)
    for value in (50.0, 100.0, 99, "wrong", 1000.0):
        monkeypatch.setitem(globals(), "LIMIT", value)
        agree(by_globals, compiled, x)
    monkeypatch.setitem(globals(), "LIMIT", 100.0)
    for tensor in (leaf(3.0, 4.0), torch.ones(2, dtype=torch.float64), x, x.detach(), SCALE):
        monkeypatch.setitem(globals(), "SCALE", tensor)
        agree(by_globals, compiled, x)
        agree(by_globals, compiled, tensor)


def by_parts(x: Any, holder: Any) -> Any:
    x = x * holder.first
    while x.sum() < 100:
        x = x * 1.5
    # reads behind the loop what may be the same as before it
    return x + holder.second, holder.first * holder.second


def test_what_is_found_late_may_be_what_was_found_early() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    holder = types.SimpleNamespace(first=a, second=b)
    compiled = torch.compile(by_parts)
    for _ in range(USUAL):
        compiled(leaf(*X), holder)
    for first, second in [(a, b), (a, a), (b, a), (a, a.detach()), (a, a.view(2)), (a, b)]:
        holder.first, holder.second = first, second
        agree(by_parts, compiled, leaf(*X), holder)
        x = leaf(*X)
        holder.second = x
        agree(by_parts, compiled, x, holder)


def by_identity(x: Any, holder: Any) -> Any:
    x = x + holder.first
    while x.sum() < 100:
        x = x * 2
    second, y = holder.second, x - 1
    while y.sum() > 1:
        y = y * 0.5
    # which nobody has kept since it was read before the loops
    return y, holder.first is second


def test_what_is_found_at_different_stages_may_be_one_thing() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    holder = types.SimpleNamespace(first=a, second=b)
    compiled = known(by_identity, leaf(*X), holder)
    for first, second in [(a, b), (a, a), (b, a), (b, b), (a, b)]:
        holder.first, holder.second = first, second
        agree(by_identity, compiled, leaf(*X), holder)


def adaptive(y: Any, rate: Any, end: float) -> Any:
    """Two ways through a turn, numbers that change, and a gradient within the call."""
    t, step = 0.0, 0.5
    while t < end:
        ahead = y - step * (rate * y)
        if ((ahead - y) * step).abs().sum() < 0.25:
            y = ahead
            t = t + step
            step = step * 1.25
        else:
            step = step * 0.5
    return y, *torch.autograd.grad(y.sum(), rate)


@pytest.mark.parametrize("begin", [2.0, 4.0])
def test_ways_and_numbers(begin: float) -> None:
    compiled = known(adaptive, leaf(begin), leaf(0.75), 10.0)
    for first, speed, end in [(2.0, 0.75, 10.0), (8.0, 0.75, 20.0), (0.001, 0.5, 10.0)]:
        agree(adaptive, compiled, leaf(first), leaf(speed), end)
    # one way alone, or none
    agree(adaptive, compiled, leaf(0.0), leaf(0.0), 10.0)
    agree(adaptive, compiled, leaf(2.0), leaf(0.75), -1.0)
    agree(adaptive, compiled, leaf(2.0), leaf(0.75), 1)
    agree(adaptive, compiled, leaf(float("nan")), leaf(0.75), -1.0)


def test_a_hook_sees_what_eager_shows_it() -> None:
    y, rate = leaf(2.0), leaf(0.75)
    compiled = known(adaptive, y, rate, 10.0)
    for function in (adaptive, compiled):
        hooked, got = leaf(0.75), []
        hooked.register_hook(lambda cotangent, got=got: got.append(cotangent.tolist()))
        _, slope = function(y, hooked, 10.0)
        got.append(slope.tolist())
        if function is adaptive:
            expected = got
    assert len(got) == 2
    assert_alike(got, expected)


def test_modes() -> None:
    x, rate = leaf(*X), leaf(*RATE)
    compiled = known(grow, x, rate)
    for mode in (torch.no_grad, torch.eager, torch.autograd.detect_anomaly, torch.inference_mode):
        before = compiled.explain().calls
        with mode():
            agree(grow, compiled, x, rate)
        if mode in (torch.eager, torch.autograd.detect_anomaly):
            assert compiled.explain().calls == before
    torch.set_default_dtype(torch.float64)
    try:
        agree(grow, compiled, x, rate)
    finally:
        torch.set_default_dtype(torch.float32)


def test_all_is_counted() -> None:
    compiled = torch.compile(grow)
    kept = 0
    while not routes_of(compiled):
        kept = compiled.explain().kept_bytes
        compiled(leaf(*X), leaf(*RATE))
    assert kept > 0
    segments = compiled.graph.segments
    before, hits = compiled.explain().calls, [each.hits for each in segments]
    expected = 12
    for _ in range(expected):
        compiled(leaf(*X), leaf(*RATE))
    gained = [each.hits - old for each, old in zip(segments, hits)]
    assert compiled.explain().calls == before + expected
    assert compiled.explain().kept_bytes == kept
    # the loop's turns, and the paths before and behind it
    assert sorted(set(gained))[:2] == [0, expected]
    assert max(gained) > expected and not max(gained) % expected


def test_a_tape_that_takes_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    args = leaf(*X), leaf(*RATE), 1e6
    compiled = known(grow, *args)
    monkeypatch.setattr(config, "max_tape", 64)
    with pytest.raises(MemoryError, match=r"test_routes.py:\d+"):
        compiled(*args)
    monkeypatch.undo()
    agree(grow, compiled, *args)


def test_turns_beyond_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "SLICE", 8)
    compiled = torch.compile(grow)
    for end in (50.0, 100.0, 1e6, 1e9) * 8:
        agree(grow, compiled, leaf(*X), leaf(*RATE), end)


def test_a_route_that_is_wrong_again_and_again_is_given_up() -> None:
    compiled = known(grow, leaf(*X), leaf(*RATE))
    for _ in range(40):
        compiled(leaf(200.0, 1.0), leaf(*RATE))
    assert not routes_of(compiled)
    agree(grow, compiled, leaf(*X), leaf(*RATE))


def patient(x: Any, n: Any, log: list) -> Any:
    x = x * 1.0
    try:
        while n > 0:
            x = x * 0.5 + 1
            n -= 1
    except KeyboardInterrupt:
        log.append("stopped")
        return x * 0
    return x


@needs_timers
def test_ctrl_c_is_raised_in_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "SLICE", 1 << 40)
    log: list[str] = []
    compiled = torch.compile(patient)
    x = torch.ones(2)
    for _ in range(USUAL):
        for n in (20, 30, 40):
            compiled(x, n, log)
    assert takes(compiled, x, 20, log)
    # SIGINT itself is ignored where the tests run in the background
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        result = compiled(x, 10**11, log)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert log == ["stopped"] and result.tolist() == [0.0, 0.0]
    assert compiled(x, 3, log).tolist() == [1.875, 1.875]


def test_threads() -> None:
    compiled = known(adaptive, leaf(2.0), leaf(0.75), 10.0)
    expected = {}
    for begin in (0.5, 1.0, 1.5, 2.0):
        expected[begin] = described(adaptive(leaf(begin), leaf(0.75), 10.0))
    failed: list[Any] = []

    def work(begin: float) -> None:
        for _ in range(50):
            found = described(compiled(leaf(begin), leaf(0.75), 10.0))
            try:
                assert_alike(found, expected[begin])
            except AssertionError as error:
                failed.append(error)

    workers = [threading.Thread(target=work, args=(each,)) for each in expected]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not failed


def test_other_code() -> None:
    def step(x: Any) -> Any:
        return x * 1.5

    def f(x: Any) -> Any:
        x = x + 1
        while x.sum() < 100:
            x = step(x)
        return x * 2

    def other(x: Any) -> Any:
        return x * 1.75

    compiled = known(f, leaf(*X))
    step.__code__ = other.__code__
    agree(f, compiled, leaf(*X))
