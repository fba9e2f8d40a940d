"""Ctrl-C: compiled functions are interrupted soon, and right at the next call."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import config
from jitgrad.graph import cycles
from tests.native import needs_native
from tests.timers import needs_timers

pytestmark = needs_timers


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(config, "unroll", 3)
    monkeypatch.setattr(cycles, "WARM", 2)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupted(function: Callable, seconds: float) -> bool:
    """Call `function`, and interrupt it after some time; was it?"""
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        function()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False


def body(x: Any, n: Any) -> Any:
    while n > 0:
        x = x * 0.5 + 1
        n -= 1
    return x


def test_a_native_loop_is_interrupted() -> None:
    f = torch.compile(body)
    for n in (20, 30, 40):
        f(torch.ones(2), n)
    began = time.perf_counter()
    assert interrupted(lambda: f(torch.ones(2), 10**9), 0.1)
    assert time.perf_counter() - began < 5
    assert f(torch.zeros(2), 3).tolist() == [1.75] * 2
    assert f(torch.zeros(2), 100).tolist() == [2.0] * 2


@needs_native
def test_a_native_loop_that_writes_ends_behind_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x, v, n):
        for t in range(n):
            v = v + 1
            x[t] = v
            x[-1] += 1

    monkeypatch.setattr(cycles, "SLICE", 1 << 40)
    size, begin = 20_000_000, torch.zeros(1, dtype=torch.float64)
    f = torch.compile(f)
    x = torch.zeros(size + 1, 1, dtype=torch.float64)
    for n in (20, 30, 40):
        f(x, begin, n)
    for seconds in (0.02, 0.05, 0.1, 0.2):
        x.zero_()
        version = x._version
        if not interrupted(lambda: f(x, begin, size), seconds):
            continue
        done = int(x[-1].item())
        assert torch.equal(x[:done, 0], torch.arange(1, done + 1, dtype=torch.float64))
        assert not x[done:-1].any()
        assert x._version == version + 3 * done
        if 1000 < done < size:
            break
    else:
        pytest.fail("no native code was interrupted")
    f(x, begin, 3)
    assert x[:4, 0].tolist() == [1, 2, 3, 4]


# an interrupt that comes in a finalizer is shown by Python, and goes no further
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_calls_are_right_wherever_one_was_interrupted() -> None:
    def f(x, n):
        y = x * 2 if n % 2 else x * 3
        return body(y, n).sum()

    reached = 0
    for number in range(60):
        compiled = torch.compile(f)

        def work(compiled: Any = compiled) -> None:
            for n in (1, 2, 5, 6, 9, 12, 15):
                x = torch.ones(2, requires_grad=True)
                compiled(x, n).backward()

        reached += interrupted(work, 1e-4 * (number + 1) ** 1.5)
        for n in (1, 2, 9, 12, 5):
            x, y = (torch.ones(2, requires_grad=True) for _ in range(2))
            found, expected = compiled(x, n), f(y, n)
            found.backward()
            expected.backward()
            assert found.item() == expected.item()
            assert x.grad is not None and y.grad is not None
            assert x.grad.tolist() == y.grad.tolist()
        assert torch.is_grad_enabled()
        traces = compiled.graph.traces
        compiled(torch.ones(number + 3), 1)
        assert compiled.graph.traces > traces, "nothing is recorded any more"
        assert threading.current_thread() is threading.main_thread()
    assert reached > 10
